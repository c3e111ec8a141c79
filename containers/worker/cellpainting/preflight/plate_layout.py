"""The plates that the load data describes: wells and sites that are missing, and wells with several names."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from cellpainting.ledger.image_set import ImageSet
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.wells import Well, layout_of, parse_well, well_name

MOSTLY = 0.5  # a plate with fewer of its wells was imaged in part on purpose


def check_plates(image_sets: Sequence[ImageSet]) -> Iterator[Finding]:
    """Everything that a look at the plate map would show."""
    plates: dict[str, list[ImageSet]] = defaultdict(list)
    for image_set in image_sets:
        if image_set.well:
            plates[" ".join(filter(None, (image_set.source, image_set.batch, image_set.plate)))].append(image_set)
    for plate, members in plates.items():
        names = {image_set.well: parse_well(image_set.well) for image_set in members}
        yield from _names(plate, names)
        yield from _missing_wells(plate, {well for well in names.values() if well})
        yield from _sites(plate, members)


def _names(plate: str, names: dict[str, Well | None]) -> Iterator[Finding]:
    spellings: dict[Well, list[str]] = defaultdict(list)
    for name, well in names.items():
        if well is None:
            yield Finding(
                Severity.WARNING,
                _of(plate, repr(name)),
                "the load data has a well whose name is none",
                "write wells as A01, from A01 to P24 (AF48 on plates of 1536 wells)",
            )
        else:
            spellings[well].append(name)
    for same in spellings.values():
        if len(same) > 1:
            yield Finding(
                Severity.WARNING,
                _of(plate, " and ".join(same)),
                "one well has several names: its image sets would be taken for those of different wells",
                "write the well in one way, such as A01",
            )


def _missing_wells(plate: str, wells: set[Well]) -> Iterator[Finding]:
    layout = layout_of(wells)
    if layout is None or len(wells) < MOSTLY * layout[0] * layout[1]:
        return
    for row in range(1, layout[0] + 1):
        for column in range(1, layout[1] + 1):
            if (row, column) not in wells:
                yield Finding(
                    Severity.WARNING,
                    _of(plate, f"{well_name((row, column))} (there are {len(wells)} of {layout[0] * layout[1]} wells)"),
                    "the load data has no image set of a well",
                    "add it to the load data, unless the well was not imaged",
                )


def _sites(plate: str, members: Sequence[ImageSet]) -> Iterator[Finding]:
    sites: dict[Well | str, set[str]] = defaultdict(set)
    for number, image_set in enumerate(members):
        sites[parse_well(image_set.well) or image_set.well].add(image_set.site or str(number))
    counts = Counter(map(len, sites.values()))
    usual, frequency = counts.most_common(1)[0]
    if frequency <= len(sites) / 2:
        return  # no number of sites is the usual one
    for well, found in sites.items():
        if len(found) != usual:
            name = well if isinstance(well, str) else well_name(well)
            yield Finding(
                Severity.WARNING,
                _of(plate, f"{name} ({len(found)} sites, the others {usual})"),
                "a well has another number of sites than the others of its plate",
                "correct the load data, unless it was imaged so",
            )


def _of(plate: str, what: str) -> str:
    return f"{plate} {what}".strip()
