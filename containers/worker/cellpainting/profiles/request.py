"""What a request or a command asks for, as a configuration and the places of its files."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from cellpainting.jobs.make_profiles import ConfiguredProfiles, PlateProfiles
from cellpainting.profiles.config import External, ProfilingConfig
from cellpainting.profiles.layout import Layout, Places
from cellpainting.profiles.place import Place, PlacedFile
from cellpainting.profiles.read_config import read_config
from cellpainting.profiles.usual_config import usual_config
from cellpainting.storage import Storage

BACKEND = "backend"
UP = 2  # profiling-recipe works in <workspace>/software/<repository>, and looks for backends in <workspace>/backend


@dataclass(frozen=True)
class OnePlate:
    """What the usual profiles of a plate are made from, and where they go. `backend` is `<...>/<batch>/<plate>`;
    `external` has a row per treatment, found by `merge_column`.
    """

    backend: Place
    platemap: PlacedFile
    output: Place
    external: PlacedFile | None = None
    merge_column: str | None = None


def open_request(wanted: ConfiguredProfiles | PlateProfiles, bucket: Storage) -> tuple[ProfilingConfig, Places]:
    """The configuration and the places, all in one storage.

    Raises
    ------
    MissingInput, InvalidRequest
        If the configuration is not there, or cannot be used.
    """
    whole = Place(bucket)
    if isinstance(wanted, ConfiguredProfiles):
        backend = Place(bucket, wanted.backend) if wanted.backend else None
        return of_configuration(PlacedFile(whole, wanted.config), Place(bucket, wanted.root), backend)
    return of_plate(
        OnePlate(
            backend=Place(bucket, wanted.backend),
            platemap=PlacedFile(whole, wanted.platemap),
            output=Place(bucket, wanted.output),
            external=PlacedFile(whole, wanted.external_metadata) if wanted.external_metadata else None,
            merge_column=wanted.merge_column,
        )
    )


def of_configuration(config: PlacedFile, root: Place, backend: Place | None) -> tuple[ProfilingConfig, Places]:
    """A configuration, and the places below its root; without `backend`, backends are where they usually are.

    Raises
    ------
    MissingInput, InvalidRequest
        If the configuration is not there, or cannot be used.
    """
    return read_config(config.read(), config.name), Places(backend or usual_backend(root), Layout(root), root)


def of_plate(plate: OnePlate) -> tuple[ProfilingConfig, Places]:
    """What is usually made of a plate, and its places."""
    backend, output = PurePosixPath(plate.backend.prefix), PurePosixPath(plate.output.prefix)
    external = None
    if plate.external and plate.merge_column:
        external = External(plate.external.name, plate.merge_column)
    config = usual_config(backend.parent.name, backend.name, output.name, external)
    target = plate.output.above(1)
    return config, Places(plate.backend.above(2), Layout(target, plate.platemap, plate.external), target)


def usual_backend(root: Place) -> Place:
    """`backend` below the root, if there is one, or where profiling-recipe has it."""
    below = root.key(BACKEND)
    if any(True for _ in root.storage.folders(below)) or len(PurePosixPath(root.prefix).parts) < UP:
        return Place(root.storage, below)
    return Place(root.storage, root.above(UP).key(BACKEND))
