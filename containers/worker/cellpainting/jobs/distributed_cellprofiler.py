"""Distributed-CellProfiler's job files and messages, taken as they are (its documentation: "SQS_3_submit_jobs").

`data_file` is the load data, a file list (`.txt`) or Batch_data.h5; `groups` or `Metadata` name the groups to do;
`output_structure` names their folders, and without it a group's values are joined by `-`. Keys that begin with
`_comment` are notes.
"""

from collections.abc import Mapping
from typing import Any

from cellpainting.errors import InvalidField

MARKS = ("data_file", "Metadata")  # what only such a document has
NOTE = "_comment"
SOURCE_OF_SUFFIX = {".h5": "batch_data", ".txt": "file_list"}


def is_distributed_cellprofiler(document: Any) -> bool:
    """Whether a decoded request is one of Distributed-CellProfiler's."""
    return isinstance(document, Mapping) and "job_type" not in document and any(mark in document for mark in MARKS)


def translate(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same request in our own fields.

    Raises
    ------
    InvalidField
        If a group is not of one of the forms, or a group given as an object comes without `output_structure`.
    """
    fields = {name: value for name, value in document.items() if not name.startswith(NOTE)}
    data_file = fields.pop("data_file", None)
    if not isinstance(data_file, str) or not data_file:
        raise InvalidField("data_file", data_file, "name the load data, file list (.txt) or Batch_data.h5")
    source = next((name for suffix, name in SOURCE_OF_SUFFIX.items() if data_file.endswith(suffix)), "load_data")
    groups, is_text = _groups(fields)
    structure = fields.pop("output_structure", None)
    if not structure and not is_text:
        raise InvalidField("output_structure", structure, "groups that are objects need it; name the folder of a group")
    if not fields.get("input"):
        fields.pop("input", None)
    return {**fields, source: data_file, "groups": groups, "output_structure": structure or "-".join(groups[0])}


def _groups(fields: dict[str, Any]) -> tuple[list[dict[str, str]], bool]:
    members = fields.pop("groups", None)
    if members is None:
        members = [{"Metadata": fields.pop("Metadata", None)}]
    if not isinstance(members, list) or not members:
        raise InvalidField(
            "groups", members, 'write a list such as [{"Metadata": "Metadata_Well=A01,Metadata_Site=1"}]'
        )
    metadata = [_metadata(member) for member in members]
    return [_group(one) for one in metadata], all(isinstance(one, str) for one in metadata)


def _metadata(member: Any) -> Any:
    if not isinstance(member, Mapping):
        raise InvalidField("groups", member, 'write each group as {"Metadata": ...}')
    for name, value in member.items():
        if name != "Metadata" and not name.startswith(NOTE):
            raise InvalidField(f"groups.{name}", value, "a group has only 'Metadata'; what all share stands outside")
    return member.get("Metadata")


def _group(metadata: Any) -> dict[str, str]:
    if isinstance(metadata, Mapping) and metadata:
        return {str(name): str(value) for name, value in metadata.items()}
    pairs = [pair.partition("=") for pair in metadata.split(",")] if isinstance(metadata, str) else []
    if not pairs or not all(name.strip() and value for name, _, value in pairs):
        raise InvalidField("Metadata", metadata, "write it as 'Metadata_Plate=P1,Metadata_Well=A01' or as an object")
    return {name.strip(): value for name, _, value in pairs}
