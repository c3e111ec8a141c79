"""Typed reading of one section of a YAML file whose scalars are still text, so that a plate `0042` keeps its zeros."""

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields

Choice = TypeVar("Choice", bound=str)
TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")
NOTHING = ("", "~", "null")
PLACEHOLDER = re.compile(r"<.*>")  # as profiling-recipe's template has them


class Section:
    """The entries of one mapping, each taken once; what is left over is refused by name. `place` names the section."""

    def __init__(self, document: Any, place: str) -> None:
        if not isinstance(document, Mapping):
            raise InvalidField(
                place or "configuration", document, "write a mapping: a line 'name: value' for each entry"
            )
        self._values = dict(document)
        self._place = place
        self._known: list[str] = []

    def name(self, entry: str) -> str:
        """An entry as people would look for it: `normalize.method`."""
        return f"{self._place}.{entry}" if self._place else entry

    def has(self, entry: str) -> bool:
        """Whether an entry has a value."""
        return self._values.get(entry) not in (None, *NOTHING)

    def section(self, entry: str) -> "Section | None":
        """A section within; None where it is absent or empty."""
        value = self._take(entry)
        return None if value is None else Section(value, self.name(entry))

    def items(self, entry: str) -> list[Any] | None:
        """A list of anything."""
        value = self._take(entry)
        if value is not None and not isinstance(value, list):
            raise InvalidField(self.name(entry), value, "write a list: a line '- value' for each")
        return value

    def text(self, entry: str) -> str | None:
        """A text."""
        value = self._take(entry)
        if value is not None and not isinstance(value, str):
            raise InvalidField(self.name(entry), value, "write a text")
        return value

    def required_text(self, entry: str) -> str:
        """A text that has to be there, and that is no placeholder of a template."""
        value = self.text(entry)
        if value is None or PLACEHOLDER.fullmatch(value):
            raise InvalidField(self.name(entry), value, "it is needed; write what is meant")
        return value

    def folder_name(self, entry: str) -> str:
        """The name of one folder, which has to be there."""
        return Fields({self.name(entry): self.required_text(entry)}).folder_name(self.name(entry))

    def key(self, entry: str) -> str:
        """A path below another folder, which has to be there."""
        return Fields({self.name(entry): self.required_text(entry)}).key(self.name(entry))

    def pass_over(self, *entries: str) -> None:
        """Know entries whose values are not needed."""
        for entry in entries:
            self._take(entry)

    def texts(self, entry: str) -> tuple[str, ...]:
        """A list of texts, each once, or one text alone."""
        value = self._take(entry)
        if value is None:
            return ()
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(text, str) and text for text in found):
            raise InvalidField(self.name(entry), value, "write a list of texts")
        if len(set(found)) < len(found):
            raise InvalidField(self.name(entry), value, "write each once")
        return tuple(found)

    def choice(self, entry: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
        """One of a few words."""
        value = self._take(entry)
        if value is None:
            return default
        if value not in choices:
            raise InvalidField(self.name(entry), value, f"write one of {', '.join(choices)}")
        return cast(Choice, value)

    def choices(self, entry: str, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        """Some of a few words, each once."""
        found = self.texts(entry)
        if not set(found) <= set(choices):
            raise InvalidField(self.name(entry), list(found), f"write some of {', '.join(choices)}")
        return cast(tuple[Choice, ...], found)

    def flag(self, entry: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(entry)
        if value is None:
            return default
        word = value.lower() if isinstance(value, str) else ""
        if word not in TRUE + FALSE:
            raise InvalidField(self.name(entry), value, "write true or false")
        return word in TRUE

    def number(self, entry: str, *, default: float, minimum: float, maximum: float = float("inf")) -> float:
        """A number."""
        value = self._take(entry)
        if value is None:
            return default
        try:
            number = float(value) if isinstance(value, str) else float("nan")
        except ValueError:
            number = float("nan")
        if not (math.isfinite(number) and minimum <= number <= maximum):
            limits = f"from {minimum:g}" + (f" to {maximum:g}" if maximum < float("inf") else "")
            raise InvalidField(self.name(entry), value, f"write a number {limits}")
        return number

    def whole_number(self, entry: str, *, default: int, minimum: int) -> int:
        """A whole number."""
        number = self.number(entry, default=default, minimum=minimum)
        if number != int(number):
            raise InvalidField(self.name(entry), number, f"write a whole number from {minimum}")
        return int(number)

    def refuse_unknown(self) -> None:
        """Refuse by name whatever nobody asked for."""
        for entry, value in self._values.items():
            raise InvalidField(
                self.name(str(entry)), value, f"unknown entry; the known ones are {', '.join(sorted(self._known))}"
            )

    def _take(self, entry: str) -> Any:
        self._known.append(entry)
        value = self._values.pop(entry, None)
        return None if value in NOTHING else value
