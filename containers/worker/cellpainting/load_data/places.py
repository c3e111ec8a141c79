"""Where an image is, from what load data says of it: a key of the bucket, or `s3://other-bucket/key`.

A path that names a file of the bucket in any of the ways in use becomes the key of that file. A location never leads
out of the bucket: another bucket is written with its name, and all else is refused.

Percent signs: a `file:` URL is decoded, for that is what CellProfiler writes and reads. An `s3://` URL is not, since
CellProfiler takes the rest of it as the key; except that it takes `+` for a space, and so it is taken here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from cellpainting.errors import InvalidRequest

MOUNTS = ("/home/ubuntu/bucket/", "/fsx/")  # where Distributed-CellProfiler and this project's workers show the bucket
RECORDS = "runs/"  # the records of runs: no input of any run
REMEDY = "correct it, or write in path_remap where its folder is in the bucket"

ANCHOR = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]+://|omero:|[A-Za-z]:/|/|"
)  # a scheme, a drive, the root; or none: relative
FILE_URL = re.compile(r"file:(//localhost(?=/))?(/+(?=[A-Za-z]:/))?", re.IGNORECASE)  # up to its path or drive
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
IN_A_BUCKET = re.compile(r"s3://[A-Za-z0-9._-]{3,63}/.+")
PLAIN_NAME = re.compile(r"(?!\.\.?$)[^/\\%+:\x00-\x1f\x7f]+")  # a name that is the same in every dialect


@dataclass(frozen=True)
class Places:
    """What paths mean: the folders and URIs that show the bucket, moved folders, and where relative paths start.

    `remap` has pairs of a folder and what it is now, in any dialect; a relative path there is a key. The longest
    folder that fits is taken. `base` is what relative paths of the load data are joined to.
    """

    roots: tuple[str, ...]
    remap: tuple[tuple[str, str], ...] = ()
    base: str = ""

    @classmethod
    def of(cls, bucket_uri: str, *, remap: Iterable[tuple[str, str]] = (), base: str = "") -> "Places":
        """The places of one bucket, `s3://name/` or the `file:` URL of a folder that stands for one."""
        return cls((bucket_uri, *MOUNTS), tuple(remap), base)

    def key(self, path: str) -> str | None:
        """The key of a full path in one of the roots; None if it is in none of them."""
        for root in self._roots:
            if path.startswith(root):
                return path[len(root) :]
        return None

    def full_path(self, text: str) -> str:
        """The path in its one spelling, as remapped or as joined to the base."""
        path = _normal(text)
        for old, new in self._moves:
            if path.startswith(old):
                return new + path[len(old) :]
        if path.startswith("s3://"):
            return path.replace("+", " ")
        return path if _anchor(path) else self._base + path

    @cached_property
    def _roots(self) -> tuple[str, ...]:
        return tuple(sorted(map(_folder, self.roots), key=len, reverse=True))

    @cached_property
    def _moves(self) -> tuple[tuple[str, str], ...]:
        moves = ((_folder(old), _folder(new)) for old, new in self.remap)
        return tuple(sorted(moves, key=lambda move: len(move[0]), reverse=True))

    @cached_property
    def _base(self) -> str:
        return _folder(self.base)


def locate(text: str, places: Places) -> str:
    """The key of the file that a path or URL names, or `s3://other-bucket/key`; empty for an empty text.

    Raises
    ------
    InvalidRequest
        If it names a folder, leads out of the bucket, or has a scheme that is not read.
    """
    if not text:
        return ""
    path = places.full_path(text)
    if CONTROL_CHARACTERS.search(path):
        raise _refusal(text, "it has control characters")
    if ".." in path.split("/"):
        raise _refusal(text, "it has a '..' part, which may lead out of the bucket")
    if re.split(r"[/\\]", text)[-1] in ("", "."):
        raise _refusal(text, "it names a folder, not an image")
    key = places.key(path)
    if key is None:
        if IN_A_BUCKET.fullmatch(path):
            return path
        if anchor := _anchor(path):
            raise _refusal(text, _why_not(anchor))
        key = path
    if key.startswith(RECORDS):
        raise _refusal(text, f"{RECORDS!r} holds the records of runs")
    return key


def locate_all(folders: Sequence[str], names: Sequence[str], places: Places) -> list[str]:
    """`locate` for many files, as folders and names; what a folder is, is asked once. No name, no location.

    Raises
    ------
    InvalidRequest
        As `locate` does.
    """
    known: dict[str, str] = {}
    located = []
    for folder, name in zip(folders, names, strict=True):
        if not name:
            located.append("")
        elif not PLAIN_NAME.fullmatch(name):
            located.append(locate(_join(folder, name), places))
        else:
            if folder not in known:
                known[folder] = locate(_join(folder, name), places).removesuffix(name)
            located.append(known[folder] + name)
    return located


def split_url(url: str) -> tuple[str, str]:
    """The folder and the name of a URL, for `locate_all`; the URL of a folder stays whole, to be refused there."""
    cut = url.rfind("/") + 1
    return ("", url) if cut == len(url) else (url[:cut], url[cut:])


def _join(folder: str, name: str) -> str:
    """Join as LoadData does: an absolute name stands for itself."""
    if not folder or _anchor(name):
        return name
    return folder + name if folder.endswith("/") else f"{folder}/{name}"


def _normal(text: str) -> str:
    """One spelling of a path: no `file:`, no backslash, and no empty or `.` part."""
    if file_url := FILE_URL.match(text):
        text = unquote(text[file_url.end() :])
    text = text.replace("\\", "/")
    anchor = _anchor(text)
    parts = [part for part in text[len(anchor) :].split("/") if part not in ("", ".")]
    return (anchor.lower() if len(anchor) > len("C:/") else anchor) + "/".join(parts)


def _folder(text: str) -> str:
    path = _normal(text)
    return path and path.rstrip("/") + "/"


def _anchor(path: str) -> str:
    matched = ANCHOR.match(path)
    return matched.group() if matched else ""


def _why_not(anchor: str) -> str:
    if anchor in ("/", "s3://"):
        return "no folder of the bucket covers it"
    return f"only the bucket and public buckets (s3://) are read, not {anchor!r}"


def _refusal(text: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"image location {text!r}: {why}; {REMEDY}")
