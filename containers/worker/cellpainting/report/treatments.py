"""What is in each well, and which of that are controls."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cellpainting.profiles.config import Controls
from cellpainting.profiles.names import NEGATIVE_CONTROL, PERT_TYPE, TREATED, TREATMENTS, WELL
from cellpainting.profiles.profiles import Profiles

EMPTY = "empty"  # the control type of a well that has no cells on purpose


@dataclass(frozen=True)
class Treatment:
    """`kind` is the control type, `trt` if it is no control; both are empty if nobody says."""

    name: str = ""
    kind: str = ""

    @property
    def is_control(self) -> bool:
        """Whether it is there to compare with."""
        return self.kind not in ("", TREATED)

    @property
    def rank(self) -> tuple[int, str, str]:
        """Negative controls first, then others; wells that are empty on purpose last."""
        position = {NEGATIVE_CONTROL: 0, "poscon": 1, TREATED: 3, EMPTY: 4}
        return position.get(self.kind, 2), self.kind, self.name


@dataclass(frozen=True)
class Naming:
    """The columns that say what is in a well: `treatment` is None where it is to be found by usual names."""

    treatment: str | None = None
    controls: Controls = field(default_factory=Controls)


def treatments_of(profiles: Profiles | None, naming: Naming) -> Mapping[str, Treatment]:
    """The treatment of each well."""
    if profiles is None:
        return {}
    return dict(zip(map(str, profiles.metadata[WELL]), row_treatments(profiles, naming), strict=True))


def row_treatments(profiles: Profiles, naming: Naming) -> list[Treatment]:
    """The treatment of each row. A well that nobody names a treatment for has the name of its control type."""
    column = naming.treatment or next((name for name in TREATMENTS if name in profiles.metadata), "")
    controls = naming.controls
    knows_kinds = controls.column in profiles.metadata or PERT_TYPE in profiles.metadata
    found = []
    for name, control, pert_type in zip(
        _texts(profiles, column), _texts(profiles, controls.column), _texts(profiles, PERT_TYPE), strict=True
    ):
        kind = NEGATIVE_CONTROL if control in controls.negative else control or pert_type
        kind = kind or (TREATED if knows_kinds and name else "")
        found.append(Treatment(name or (kind if kind != TREATED else ""), kind))
    return found


def _texts(profiles: Profiles, column: str) -> list[str]:
    if column not in profiles.metadata:
        return [""] * len(profiles.metadata)
    values = profiles.metadata[column]
    return ["" if is_missing else str(value) for value, is_missing in zip(values, values.isna(), strict=True)]
