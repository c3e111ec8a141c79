"""Every image set of a plate in one state: what was planned, what Image.csv has, and what became of its rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from cellpainting.backend.batch_record import ImageKey, Rejection
from cellpainting.backend.image_index import ImageIndex, IndexedImage, IndexedSet, natural
from cellpainting.ledger import Cause, ImageSet, Outcome, State

Counts = Mapping[ImageKey, Mapping[str, int]]
UNNAMED = "the run has measured it, but no Image.csv names it"


def missing_rows(
    index: ImageIndex, counts: Counts, tables: Iterable[str], rejected: Iterable[Rejection]
) -> list[Rejection]:
    """Objects that Image.csv counts and no row was found of: a file that was cut between two rows, or is not there."""
    told = {
        (str(PurePosixPath(one.file).parent), table, one.image_number)
        for one in rejected
        for table in ([one.table] if one.table else tables)
    }
    missing = []
    for one in index.sets:
        for image in one.images:
            for table in tables:
                found = counts[one.table_number, image.number].get(table, 0)
                is_told = {(one.files.folder, table, number) for number in (None, image.number)} & told
                if found < image.counts.get(table, 0) and not is_told:
                    reason = (
                        f"it has {found} rows of ImageNumber {image.number}, Image.csv counts {image.counts[table]}"
                    )
                    missing.append(Rejection(_file_of(one, table), table, 0, reason, image.number))
    return missing


def outcomes_of(
    index: ImageIndex,
    counts: Counts,
    tables: Sequence[str],
    rejections: Iterable[Rejection],
    planned: Sequence[Outcome],
) -> list[Outcome]:
    """The image sets in the backend's order, then those that are not in it; not numbered yet."""
    damage = _damage(rejections)
    taken = [_taken(one, image, counts, tables, damage) for one in index.sets for image in one.images]
    return [*taken, *_unreadable(index), *_not_measured(index, planned)]


def numbered(outcomes: Iterable[Outcome], batch: str) -> tuple[Outcome, ...]:
    """The outcomes as a ledger has them: numbered from 1, and each with the batch."""
    return tuple(
        replace(one, image_set=replace(one.image_set, number=number, batch=one.image_set.batch or batch))
        for number, one in enumerate(outcomes, start=1)
    )


def _file_of(one: IndexedSet, table: str) -> str:
    """The file that has the table, or should."""
    file = one.files.tables.get(table) or one.files.combined
    return file.key if file else f"{one.files.folder}/{table}.csv"


def _damage(rejections: Iterable[Rejection]) -> dict[tuple[str, int | None], list[str]]:
    """What was left out, by folder and image number; None stands for all image sets of a folder."""
    damage = defaultdict(list)
    for one in rejections:
        path = PurePosixPath(one.file)
        damage[str(path.parent), one.image_number].append(f"{path.name}: {one.reason}")
    return damage


def _taken(
    one: IndexedSet,
    image: IndexedImage,
    counts: Counts,
    tables: Sequence[str],
    damage: Mapping[tuple[str, int | None], list[str]],
) -> Outcome:
    folder = one.files.folder
    image_set = ImageSet(0, 0, folder, plate=image.plate, well=image.well, site=image.site)
    reasons = [*damage.get((folder, None), ()), *damage.get((folder, image.number), ())]
    if reasons:
        return Outcome(image_set, State.INPUT_DAMAGED, "; ".join(reasons), Cause.INPUT_DAMAGED)
    objects = sum(counts[one.table_number, image.number].get(table, 0) for table in tables)
    return Outcome(image_set, State.DONE if objects else State.NO_CELLS)


def _unreadable(index: ImageIndex) -> Iterator[Outcome]:
    """A folder whose image sets nobody knows stands for them."""
    for files, reason in index.unreadable:
        yield Outcome(
            ImageSet(0, 0, files.folder, files=files.folder), State.INPUT_DAMAGED, reason, Cause.INPUT_DAMAGED
        )


def _not_measured(index: ImageIndex, planned: Sequence[Outcome]) -> Iterator[Outcome]:
    """What the run has planned of the plate and the backend has not."""
    found = {_place(image.well, image.site) for one in index.sets for image in one.images}
    for one in planned:
        image_set = replace(one.image_set, shard=0)
        if not one.state.is_success:
            yield Outcome(
                image_set, State.INPUT_MISSING, f"not measured: {one.state}: {one.reason}", Cause.INPUT_MISSING
            )
        elif image_set.well and _place(image_set.well, image_set.site) not in found:
            yield Outcome(image_set, State.INPUT_MISSING, UNNAMED, Cause.INPUT_MISSING)


def _place(well: str, site: str) -> tuple[object, ...]:
    """In a form in which a site 01 is a site 1."""
    return natural(well), natural(site)
