"""One field of view, decoded by a recipe. Runs in starfish's Python, confined: `decode.py TASK` with a JSON file."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.starfish.inside.task import carry_out
else:  # a script of a Python that does not have this package
    from task import carry_out

DECODED = "decoded.nc"


def decode(task: dict[str, Any]) -> dict[str, Any]:
    """Have the recipe make the table of one field, and write it; the report of it is `spots`, their number."""
    recipe = _load(task["recipe"])

    from starfish import DecodedIntensityTable, Experiment

    if task["form"] == "number":
        result = recipe.process_fov(task["number"], task["experiment"])
    else:
        experiment = Experiment.from_json(task["experiment"])
        result = recipe.process_fov(experiment[task["field"]], experiment.codebook)
    if not isinstance(result, DecodedIntensityTable):
        raise TypeError(_unusable(result))
    partial = Path("decoded.partial")
    result.to_netcdf(str(partial))
    partial.replace(DECODED)
    return {"spots": int(result.sizes["features"])}


def _load(path: str) -> Any:
    spec = spec_from_file_location("recipe", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    sys.modules["recipe"] = module  # where multiprocessing looks for the recipe's own functions
    spec.loader.exec_module(module)
    return module


def _unusable(result: object) -> str:
    remedy = "return the DecodedIntensityTable"
    if hasattr(result, "save_csv"):
        remedy += " itself, without .to_decoded_dataframe(): the merged table needs what that drops"
    return f"process_fov returned {type(result).__name__}; {remedy}"


if __name__ == "__main__":
    sys.exit(carry_out(decode))
