"""From groups of image sets to shards: groups stay whole, shards stay small."""

from collections.abc import Iterator, Mapping, Sequence

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.load_data import LoadData
from cellpainting.planning.grouping import Grouping, folder_name
from cellpainting.planning.selection import Selection
from cellpainting.planning.shard_plan import Group, ShardPlan


def plan_shards(
    table: LoadData, grouping: Grouping, selection: Selection, *, image_sets_per_shard: int, plugins: Sequence[str] = ()
) -> tuple[ShardPlan, ...]:
    """Fill shards with groups, in order, up to a number of image sets; a larger group is a shard of its own.

    Raises
    ------
    InvalidRequest
        If two groups would have the same output folder, or a folder's name varies within its group.
    """
    groups = _groups(table, grouping, selection)
    return tuple(
        ShardPlan(number, tuple(members), table.columns, tuple(plugins))
        for number, members in enumerate(_packed(groups, image_sets_per_shard))
    )


def _groups(table: LoadData, grouping: Grouping, selection: Selection) -> list[Group]:
    groups: dict[str, Group] = {}
    for values, numbers in selection.rows.items():
        rows = tuple(table.rows[number] for number in numbers)
        folder = _folder(table, grouping, dict(zip(selection.group_by, values, strict=True)), rows)
        if folder in groups:
            raise InvalidField(
                "output_structure",
                grouping.output_structure,
                f"two groups would have the folder {folder!r}; name in it all of {', '.join(grouping.group_by)}",
            )
        groups[folder] = Group(folder, rows)
    return list(groups.values())


def _folder(table: LoadData, grouping: Grouping, values: Mapping[str, str], rows: Sequence[tuple[str, ...]]) -> str:
    named = {**table.metadata(rows[0]), **values} if values else {}
    others = [name for name in named if name not in values and name in grouping.output_structure]
    for name in others:
        at = table.positions[name]
        if any(row[at] != rows[0][at] for row in rows):
            raise InvalidRequest(
                f"output_structure {grouping.output_structure!r} names {name}, which differs within the group "
                f"{dict(values)}; use only columns of group_by {list(grouping.group_by)}"
            )
    return folder_name(grouping.output_structure, named)


def _packed(groups: Sequence[Group], image_sets_per_shard: int) -> Iterator[list[Group]]:
    members: list[Group] = []
    for group in groups:
        if members and sum(len(one.rows) for one in members) + len(group.rows) > image_sets_per_shard:
            yield members
            members = []
        members.append(group)
    if members:
        yield members
