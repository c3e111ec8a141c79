"""Where what profiles are made of is found, and where they go."""

from dataclasses import dataclass

from cellpainting.profiles.place import Place, PlacedFile
from cellpainting.profiles.platemap import find_platemap_name

PLATEMAPS = "metadata/platemaps"
EXTERNAL = "metadata/external_metadata"


@dataclass(frozen=True)
class Layout:
    """Where metadata lies: with `platemap`, that file is every plate's, and no barcode_platemap.csv is looked at."""

    data: Place
    platemap: PlacedFile | None = None
    external: PlacedFile | None = None

    def platemap_of(self, batch: str, plate: str) -> PlacedFile:
        """A plate's platemap.

        Raises
        ------
        MissingInput, InvalidTable
            If barcode_platemap.csv is not there, or does not tell.
        """
        if self.platemap:
            return self.platemap
        folder = f"{PLATEMAPS}/{batch}"
        barcodes = f"{folder}/barcode_platemap.csv"
        name = find_platemap_name(self.data.read(barcodes), self.data.uri(barcodes), plate)
        return PlacedFile(self.data, f"{folder}/platemap/{name}.txt")

    def treatments(self, file: str) -> PlacedFile:
        """The table of treatments of this name."""
        return self.external or PlacedFile(self.data, f"{EXTERNAL}/{file}")


@dataclass(frozen=True)
class Places:
    """Where things are: backends at `<backend>/<batch>/<plate>/`, metadata as the layout has it, profiles below
    `output`.
    """

    backend: Place
    layout: Layout
    output: Place
