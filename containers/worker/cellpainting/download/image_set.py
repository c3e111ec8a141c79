"""One image set: each of its images fetched and made into a file, or named with the reason why not."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from threading import Lock

from cellpainting.download.provenance import Provenance
from cellpainting.download.recipe import Recipe
from cellpainting.errors import CellPaintingError, DamagedImage, MissingInput, StorageUnavailable
from cellpainting.ledger import Cause, ImageSet, Outcome, State, StoredFile
from cellpainting.storage import Sources

# The state and the cause of an image set by what its first bad image lacks.
BAD: Mapping[type[CellPaintingError], tuple[State, Cause]] = {
    MissingInput: (State.INPUT_MISSING, Cause.INPUT_MISSING),
    DamagedImage: (State.INPUT_DAMAGED, Cause.INPUT_DAMAGED),
    StorageUnavailable: (State.FAILED, Cause.STORAGE_UNAVAILABLE),
}

# Images in a row for which the storage gave nothing, after all retries: it is not they that are at fault.
HOPELESS = 20


@dataclass(frozen=True)
class Task:
    """An image set to be done: its name, and the place of each channel's image, empty where the load data has none."""

    image_set: ImageSet
    name: str
    places: Mapping[str, str]


@dataclass(frozen=True)
class MadeFile:
    """The PNG file of one image. `is_there` is whether an earlier attempt has published it."""

    content: bytes
    provenance: Provenance
    is_there: bool = False


@dataclass
class Made:
    """What became of an image set: files by channel, what was read for them, and the error of each bad image."""

    task: Task
    files: dict[str, MadeFile] = field(default_factory=dict)
    inputs: list[StoredFile] = field(default_factory=list)
    errors: dict[str, CellPaintingError] = field(default_factory=dict)
    fetched_bytes: int = 0
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """The one state of the image set. All its bad images are named in the reason."""
        if not self.errors:
            return Outcome(self.task.image_set, State.DONE)
        state, cause = next(BAD[kind] for kind in BAD for error in self.errors.values() if isinstance(error, kind))
        told = ((channel, self.task.places[channel], str(why)) for channel, why in self.errors.items())
        reason = "; ".join(": ".join(filter(None, parts)) for parts in told)
        return Outcome(self.task.image_set, state, reason, cause)


class Supply:
    """Whether images are still to be fetched, as all threads see it: nobody has stopped, and the storage gives some.

    `failure` is what the storage said at last when it was given up.
    """

    def __init__(self) -> None:
        self.is_over, self.failure = False, ""
        self._lock, self._missed = Lock(), 0  # images in a row

    def stop(self) -> None:
        """Fetch no more."""
        self.is_over = True

    def note(self, error: CellPaintingError | None) -> None:
        """Take down what became of an image."""
        with self._lock:
            self._missed = self._missed + 1 if isinstance(error, StorageUnavailable) else 0
            if self._missed == HOPELESS:
                self.is_over, self.failure = True, str(error)


@dataclass(frozen=True)
class Maker:
    """Makes image sets, in as many threads as call it; in `processors`, only so many of them use a processor at once.

    `earlier` gives the file that an interrupted attempt may have left of an image set and channel: it is taken if it
    tells that it was made from what is there now, in the same way.
    """

    recipe: Recipe
    sources: Sources
    processors: AbstractContextManager[object]
    supply: Supply
    earlier: Callable[[str, str], bytes | None]

    def make(self, task: Task) -> Made:
        """Fetch and make the images of an image set, one after the other; a bad one does not keep the others back.

        When the supply is over, what is left of it is left out.
        """
        started = time.monotonic()
        made = Made(task)
        for channel, place in task.places.items():
            if self.supply.is_over:
                break
            try:
                made.files[channel] = self._file(made, channel, place)
            except tuple(BAD) as error:
                made.errors[channel] = error
            self.supply.note(made.errors.get(channel))
        _refuse_other_sizes(made)
        made.seconds = time.monotonic() - started
        return made

    def _file(self, made: Made, channel: str, place: str) -> MadeFile:
        if content := self.earlier(made.task.name, channel):
            with suppress(DamagedImage):
                provenance = Provenance.of_file(content)
                if stored := self._made_from(provenance, place):
                    made.inputs.append(stored)
                    return MadeFile(content, provenance, is_there=True)
        content, stored = fetch(place, self.sources)
        made.fetched_bytes += len(content)
        made.inputs.append(stored)
        with self.processors:
            return MadeFile(*self.recipe.make(content, stored, channel))

    def _made_from(self, earlier: Provenance, place: str) -> StoredFile | None:
        """The source of an earlier file, if it is this place as it is now, and the recipe is the same."""
        if (earlier.source, earlier.recipe) != (place, self.recipe.text):
            return None
        storage, key = self.sources.of(place)
        now = storage.stat(key)
        is_same = (now.size, now.etag) == (earlier.source_size, earlier.source_etag)
        return StoredFile(place, now.size, now.etag) if is_same else None


def nothing_earlier(name: str, channel: str) -> None:
    """What an earlier attempt left where there was none."""


def fetch(place: str, sources: Sources) -> tuple[bytes, StoredFile]:
    """The bytes of an image, and what was read.

    Raises
    ------
    MissingInput
        If it is not there, or the load data names none.
    StorageUnavailable
        If the storage fails, after retries.
    """
    if not place:
        raise MissingInput("the load data names no image")
    storage, key = sources.of(place)
    content, stored = storage.fetch(key)
    return content, StoredFile(place, stored.size, stored.etag)


def _refuse_other_sizes(made: Made) -> None:
    """Take out what has not the size of most channels: it is another image, or a part of one."""
    sizes = {channel: (file.provenance.height, file.provenance.width) for channel, file in made.files.items()}
    if len(set(sizes.values())) > 1:
        (height, width), _ = Counter(sizes.values()).most_common(1)[0]
        for channel, size in sizes.items():
            if size != (height, width):
                del made.files[channel]
                made.errors[channel] = DamagedImage(
                    f"it has {size[1]} x {size[0]} pixels, other channels of its image set {width} x {height}"
                )
