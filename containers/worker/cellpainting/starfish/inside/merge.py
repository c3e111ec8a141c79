"""Decoded fields of view as one table. Runs in starfish's Python, confined: `merge.py TASK` with a JSON file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.starfish.inside.task import carry_out
else:  # a script of a Python that does not have this package
    from task import carry_out


def merge(task: dict[str, Any]) -> dict[str, Any]:
    """Write `<name>.nc`, `.csv` and `.parquet` of the fields in their order; reports `spots`, and those of each field.

    Fields are told apart by the coordinate `fov`; features are numbered from 0 through all of them. A table without a
    spot lacks coordinates that the others have, and is left out.
    """
    import numpy as np
    from starfish import DecodedIntensityTable

    folder, name = Path(task["folder"]), task["name"]
    tables = {field: DecodedIntensityTable.open_netcdf(str(folder / file)) for field, file in task["fields"].items()}
    spots = {field: int(table.sizes["features"]) for field, table in tables.items()}
    found = {field: table for field, table in tables.items() if spots[field]} or dict(list(tables.items())[:1])
    merged = DecodedIntensityTable.concatenate_intensity_tables(list(found.values()))
    names = np.repeat(np.array(list(found), dtype=str), [spots[field] for field in found])
    merged = merged.assign_coords(features=np.arange(len(names)), fov=("features", names))
    merged.to_netcdf(f"{name}.nc")
    frame = merged.to_features_dataframe().reset_index(drop=True)
    frame.insert(0, "fov", frame.pop("fov"))
    frame.to_csv(f"{name}.csv", index=False)
    frame.to_parquet(f"{name}.parquet", index=False)
    return {"spots": sum(spots.values()), "spots_of_fields": spots}


if __name__ == "__main__":
    sys.exit(carry_out(merge))
