"""Where a published image comes from and what was done to it: the note inside its file, which proves what it is."""

import json
from dataclasses import asdict, dataclass

from cellpainting.errors import DamagedImage
from cellpainting.images.png import read_note


@dataclass(frozen=True)
class Provenance:
    """`source` with its size in bytes and ETag is the file that was read. `recipe` tells all settings in a short form.

    `height` and `width` are the original's, `top` and `left` are where the crop begins in it, in pixels. `low` and
    `high` are the pixel values that became 0 and 255; None if all bits were kept.
    """

    source: str
    source_size: int
    source_etag: str
    recipe: str
    height: int
    width: int
    top: int
    left: int
    low: float | None
    high: float | None

    def to_note(self) -> str:
        """One line of ASCII."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def of_file(cls, content: bytes) -> "Provenance":
        """Read what `to_note` wrote, from a file that is whole.

        Raises
        ------
        DamagedImage
            If the file is not whole, or nobody knows where it comes from.
        """
        note = read_note(content)
        try:
            return cls(**json.loads(note))
        except (ValueError, TypeError) as error:
            raise DamagedImage(f"its note is not one of ours: {note!r:.80}") from error
