"""A pipeline as its text has it, and what the planning of a run asks of it."""

from dataclasses import dataclass
from functools import cached_property

from cellpainting.pipelines.aggregation import aggregates
from cellpainting.pipelines.image_names import input_names
from cellpainting.pipelines.module import Module

PREFIX = "Metadata_"


@dataclass(frozen=True)
class Pipeline:
    """The modules in their order, disabled ones too."""

    modules: tuple[Module, ...]

    def enabled(self, name: str) -> tuple[Module, ...]:
        """The enabled modules of one kind."""
        return tuple(module for module in self.modules if module.enabled and module.name == name)

    @property
    def reads_load_data(self) -> bool:
        """Whether its image sets come from load data."""
        return bool(self.enabled("LoadData"))

    @property
    def writes_batch_files(self) -> bool:
        """Whether CreateBatchFiles was left on: a run would write Batch_data.h5 and measure nothing."""
        return bool(self.enabled("CreateBatchFiles"))

    @property
    def exports_tables(self) -> bool:
        """Whether measurements leave CellProfiler at all."""
        return bool(self.enabled("ExportToSpreadsheet") or self.enabled("ExportToDatabase"))

    @cached_property
    def grouping(self) -> tuple[str, ...]:
        """The metadata columns it groups by, in its own order; none if it is not grouped."""
        tags: list[str] = []
        for module in self.enabled("LoadData"):
            if module.says("Load images based on this data?", "Yes") and module.says(
                "Group images by metadata?", "Yes"
            ):
                tags += module.value("Select metadata tags for grouping").split(",")
        for module in self.enabled("Groups"):
            if module.says("Do you want to group your images?", "Yes"):
                tags += module.values("Metadata category")
        return tuple(dict.fromkeys(PREFIX + tag.strip().removeprefix(PREFIX) for tag in tags if tag.strip()))

    @cached_property
    def aggregates(self) -> tuple[str, ...]:
        """The modules whose result depends on all image sets of a group."""
        return tuple(dict.fromkeys(module.name for module in self.modules if module.enabled and aggregates(module)))

    @cached_property
    def input_images(self) -> tuple[str, ...]:
        """The names of images and objects that it uses and does not make itself."""
        return input_names(module for module in self.modules if module.enabled)
