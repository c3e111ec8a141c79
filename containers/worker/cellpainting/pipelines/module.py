"""One module of a pipeline and its settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Module:
    """`settings` are the label and value of each, in order; labels may repeat."""

    number: int
    name: str
    enabled: bool
    settings: tuple[tuple[str, str], ...]

    def values(self, label: str) -> tuple[str, ...]:
        """The values of all settings of that label."""
        return tuple(value for one, value in self.settings if one == label)

    def value(self, label: str) -> str:
        """The value of the first setting of that label; empty if the module has none."""
        return next(iter(self.values(label)), "")

    def says(self, label: str, *values: str) -> bool:
        """Whether the setting of that label has one of these values."""
        return self.value(label) in values
