"""CellProfiler's LoadData, given a few rows of a table: it takes each column for what the whole table makes it."""

from collections.abc import Mapping
from typing import Any

TYPES = {"integer": "integer", "float": "float", "text": "varchar(255)"}  # cellprofiler_core.constants.measurement


class ColumnTypes:
    """The types of the group at work, by column. LoadData itself would go by the rows that it sees: a plate `0042`
    beside a plate `A7` is text in the whole table, and a number in the rows of that plate alone.
    """

    def __init__(self) -> None:
        self._types: dict[str, str] = {}

    def use(self, types: Mapping[str, str]) -> None:
        """Set the types of the next group; none where LoadData is to find out by itself."""
        self._types = {name: TYPES[type_name] for name, type_name in types.items()}

    def impose(self, load_data_module: Any) -> None:
        """Put them over what `LoadData.get_measurement_columns` finds, in the module that has that class."""
        found = load_data_module.LoadData.get_measurement_columns

        def get_measurement_columns(load_data: Any, pipeline: Any) -> Any:
            return [(table, name, self._types.get(name, kind)) for table, name, kind in found(load_data, pipeline)]

        load_data_module.LoadData.get_measurement_columns = get_measurement_columns


def require_all_rows(pipeline: Any) -> None:
    """Refuse a LoadData that takes a range of rows: which rows there are is the plan's to say."""
    for module in pipeline.modules():
        if module.module_name == "LoadData" and module.wants_rows.value:
            raise ValueError("LoadData has 'Process just a range of rows?' set to Yes; set it to No in the pipeline")
