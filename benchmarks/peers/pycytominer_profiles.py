"""Profiles of plates with pycytominer, each step called as profiling-recipe calls it, from file to file.

    python pycytominer_profiles.py csv.gz|parquet ROOT BATCH OUTPUT

Reads ROOT/profiles/BATCH/<plate>/<plate>.csv.gz and the batch's one platemap; all that is made goes to the folder
OUTPUT. Features are chosen for all plates together.
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CSV, PARQUET = "csv.gz", "parquet"
FORMS: Mapping[str, Mapping[str, Any]] = {
    CSV: {"output_type": "csv", "compression_options": "gzip", "float_format": "%.5g"},
    PARQUET: {"output_type": "parquet"},
}
METHOD = "mad_robustize"
REFERENCES = {"_normalized": "all", "_normalized_negcon": "Metadata_control_type == 'negcon'"}
OPERATIONS = ("variance_threshold", "correlation_threshold", "drop_na_columns", "blocklist")
SELECTED = {
    "_normalized": "_normalized_feature_select_all",
    "_normalized_negcon": "_normalized_feature_select_negcon_all",
}


def main(form: str, root: str, batch: str, output: str) -> None:
    """Make all profiles of a batch in one form."""
    (platemap,) = Path(root).glob(f"metadata/platemaps/{batch}/platemap/*.txt")
    folders = sorted(Path(root, "profiles", batch).iterdir())
    for folder in folders:
        normalize_plate(folder / f"{folder.name}.csv.gz", platemap, Path(output, folder.name), form)
    for suffix in REFERENCES:
        select(suffix, [folder.name for folder in folders], Path(output), form)


def normalize_plate(profile: Path, platemap: Path, stem: Path, form: str) -> None:
    """A plate's profile with what its wells hold, and in units of the plate's and of the controls' spread."""
    from pycytominer import annotate, normalize

    augmented = f"{stem}_augmented.{form}"
    annotate(str(profile), str(platemap), platemap_sep="\t", output_file=augmented, **FORMS[form])
    for suffix, samples in REFERENCES.items():
        normalize(augmented, samples=samples, method=METHOD, output_file=f"{stem}{suffix}.{form}", **FORMS[form])


def select(suffix: str, plates: Sequence[str], output: Path, form: str) -> None:
    """Profiles with the features that are left, chosen in all plates stacked."""
    import pandas
    from pycytominer import feature_select
    from pycytominer.cyto_utils import load_profiles
    from pycytominer.cyto_utils import output as write

    stacked = pandas.concat([load_profiles(output / f"{plate}{suffix}.{form}") for plate in plates], ignore_index=True)
    selected = feature_select(stacked, operation=list(OPERATIONS))
    for plate in plates:
        rows = selected[selected["Metadata_Plate"] == plate].reset_index(drop=True)
        write(rows, output_filename=str(output / f"{plate}{SELECTED[suffix]}.{form}"), **FORMS[form])


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # what pandas says of wide tables
    main(*sys.argv[1:])
