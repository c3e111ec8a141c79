"""profiling-recipe's configuration is read as it is, and what is wrong in one is told by entry."""

import re
from pathlib import Path

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import USUAL_OPERATIONS, Batch, External, NormalizeStep, ProfilingConfig
from cellpainting.profiles.read_config import read_config
from tests.worker.profiles.made_plates import config_text

SHORT = "pipeline: short\n---\nbatch: B1\nplates:\n  - name: P1\n"


def read(text: str) -> ProfilingConfig:
    return read_config(text.encode(), "config.yml")


def usual(*edits: tuple[str, str]) -> str:
    return config_text({"B1": ["P1", "P2"]}, *edits)


def test_a_configuration_like_the_recipes_template_is_read_whole() -> None:
    config = read(config_text({"B1": ["P1", "P2"], "B2": ["P3"]}))
    assert config.batches == (Batch("B1", ("P1", "P2")), Batch("B2", ("P3",)))
    assert (config.name, config.output_dir, config.platemap_well_column) == (
        "made",
        "profiles",
        "Metadata_well_position",
    )
    assert config.compartments == ("cells", "cytoplasm", "nuclei")
    assert config.aggregate
    assert (config.aggregate.method, config.aggregate.sites) == ("median", ())
    assert config.aggregate.image_categories == ("Count", "Texture")
    assert not config.aggregate.by_site
    assert config.annotate
    assert config.annotate.external == External("treatments.tsv", "Metadata_broad_sample")
    assert config.normalize == config.normalize_negcon == NormalizeStep(epsilon=0, image_features=True)
    assert config.feature_select
    assert config.feature_select_negcon
    assert (config.feature_select.level, config.feature_select.operations) == ("batch", USUAL_OPERATIONS)
    assert (config.feature_select.gct, config.feature_select_negcon.gct) == (True, False)
    assert config.quality is None
    assert (config.treatment_column, config.float_format) == ("Metadata_broad_sample", "%.5g")


def test_steps_that_are_not_there_or_not_performed_are_left_out() -> None:
    text = SHORT.replace("---", "normalize:\n  perform: false\nannotate:\n  perform: false\n---")
    config = read(text)
    assert (config.aggregate, config.annotate, config.normalize, config.feature_select) == (None,) * 4


@pytest.mark.parametrize("name", ["0042", "1e5", "yes", "null-ish", "12:30", "BR 1", "2020-01-01", "0x1F"])
def test_names_of_plates_and_batches_are_text_whatever_they_look_like(name: str) -> None:
    config = read(SHORT.replace("P1", name).replace("B1", name))
    assert config.batches == (Batch(name, (name,)),)


def test_plates_and_batches_that_are_not_to_be_processed_are_left_out_whatever_their_names() -> None:
    text = SHORT + "  - name: <SECOND PLATE NAME>\n    process: false\n"
    text += "---\nbatch: <SECOND BATCH NAME>\nplates:\n  - name: <FIRST PLATE NAME>\nprocess: false\n"
    assert read(text).batches == (Batch("B1", ("P1",)),)


def test_an_external_file_that_is_not_wanted_may_be_a_placeholder() -> None:
    text = SHORT.replace(
        "---", "annotate:\n  external:\n    perform: false\n    file: <metadata file name>\n    merge_column: <x>\n---"
    )
    config = read(text)
    assert config.annotate
    assert config.annotate.external is None


def test_a_column_of_sites_asks_for_profiles_by_site() -> None:
    config = read(usual(("  method: median\n", "  method: median\n  site_column: Metadata_Site\n")))
    assert config.aggregate
    assert config.aggregate.by_site


@pytest.mark.parametrize("given", ["Image_Metadata_Plate", "Metadata_Plate"])
def test_older_names_of_columns_are_taken(given: str) -> None:
    assert read(usual(("plate_column: Metadata_Plate", f"plate_column: {given}"))).aggregate


WRONG = {
    "unknown entry": (("  min_cells: 1", "  min_cell: 1"), "'normalize.min_cell': got '1'; unknown entry; the known"),
    "unknown step": (("compartments:", "colour: red\ncompartments:"), "'colour': got 'red'; unknown entry"),
    "unknown option": (("  samples: all", "  sample: all"), "'options.sample'"),
    "no such choice": (("method: median", "method: mode"), "'aggregate.method': got 'mode'; write one of mean, median"),
    "list for a choice": (("method: median", "method: [median]"), "'aggregate.method': got ['median']"),
    "no such operation": (("    - blocklist", "    - block"), "'feature_select.operations'"),
    "operation twice": (("    - blocklist", "    - drop_na_columns"), "write each once"),
    "text for a number": (("fudge_factor: 0", "fudge_factor: no"), "'normalize.mad_robustize_fudge_factor': got 'no'"),
    "infinite number": (("min_cells: 1", "min_cells: inf"), "'normalize.min_cells': got 'inf'; write a number from 0"),
    "no number": (("min_cells: 1", "min_cells: nan"), "'normalize.min_cells': got 'nan'"),
    "half a cell": (("min_cells: 1", "min_cells: 1.5"), "'normalize.min_cells': got 1.5; write a whole number"),
    "negative": (("min_cells: 1", "min_cells: -1"), "'normalize.min_cells': got '-1'; write a number from 0"),
    "text for a flag": (("gct: true", "gct: maybe"), "'feature_select.gct': got 'maybe'; write true or false"),
    "text for a section": (("normalize:\n", "normalize: all\nx:\n"), "'normalize': got 'all'; write a mapping"),
    "mapping for a list": (("  - cells\n", "  a: b\n"), "is no YAML file"),
    "other compression": (("compression: gzip", "compression: zip"), "'options.compression': got 'zip'"),
    "other samples": (("samples: all", "samples: some"), "'options.samples': got 'some'; write one of all"),
    "float format": (('"%.5g"', '"%d"'), "'options.float_format': got '%d'; write one such as \"%.5g\""),
    "entry twice": (("normalize:\n", "normalize:\n  perform: false\nnormalize:\n"), "'normalize' is there twice"),
    "no merge column": (("    merge_column: broad_sample\n", ""), "'annotate.external.merge_column': got None"),
    "placeholder": (("treatments.tsv", "<metadata file name>"), "'annotate.external.file': got '<metadata file name>'"),
    "file elsewhere": (("treatments.tsv", "../treatments.tsv"), "'annotate.external.file': got '../treatments.tsv'"),
    "output elsewhere": (("output_dir: profiles", "output_dir: ../x"), "'output_dir': got '../x'"),
    "plate column": (("plate_column: Metadata_Plate", "plate_column: Plate"), "backends have it as Metadata_Plate"),
    "noise": (("    - blocklist", "    - noise_removal"), "needs 'noise_removal_perturb_groups'"),
}


@pytest.mark.parametrize(("edit", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_by_file_and_entry(edit: tuple[str, str], told: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(told)) as refused:
        read(usual(edit))
    assert str(refused.value).startswith("config.yml")


BATCHES = {
    "nothing": ("", "'pipeline': got 0"),
    "no steps": ("batch: B1\nplates: [{name: P1}]", "'pipeline': got 0; write one document of steps"),
    "steps twice": (f"{SHORT}---\n{SHORT}", "'pipeline': got 2"),
    "no batch": ("pipeline: p", "name at least one plate"),
    "no plates": ("pipeline: p\n---\nbatch: B1\n", "name at least one plate"),
    "none to process": (SHORT + "    process: false\n", "name at least one plate whose 'process' is true"),
    "plate twice": (SHORT + "  - name: P1\n", "'plates of batch B1': got 'P1'; it is there twice"),
    "batch twice": (f"{SHORT}---\nbatch: B1\nplates: [{{name: P2}}]", "'batch': got 'B1'; it is there twice"),
    "placeholder": (SHORT.replace("P1", "<FIRST PLATE NAME>"), "'document 2.plates[1].name': got '<FIRST PLATE NAME>'"),
    "placeholder of a batch": (
        SHORT.replace("B1", "<FIRST BATCH NAME>"),
        "'document 2.batch': got '<FIRST BATCH NAME>'",
    ),
    "way out": (SHORT.replace("P1", ".."), "'document 2.plates[1].name': got '..'"),
    "path": (SHORT.replace("P1", "a/b"), "'document 2.plates[1].name': got 'a/b'"),
    "batch without a name": (SHORT.replace("batch: B1", "process: true"), "'document 2.batch': got None"),
    "plates as text": ("pipeline: p\n---\nbatch: B1\nplates: P1\n", "'document 2.plates': got 'P1'; write a list"),
    "plate as text": (
        "pipeline: p\n---\nbatch: B1\nplates: [P1]\n",
        "'document 2.plates[1]': got 'P1'; write a mapping",
    ),
    "unknown entry": (SHORT + "    proces: true\n", "'document 2.plates[1].proces'"),
    "a list": ("- a\n", "'pipeline': got 0"),
}


@pytest.mark.parametrize(("text", "told"), BATCHES.values(), ids=BATCHES)
def test_what_is_wrong_with_batches_and_plates_is_told(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(told)):
        read(text)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", "pipeline: Zürich".encode("latin-1")])
def test_what_is_no_yaml_is_told_by_file(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"config.yml is no YAML file"):
        read_config(content, Path("config.yml").name)
