"""What was planned against what was done: every image set in exactly one state."""

from cellpainting.ledger.image_set import ImageSet, Outcome, State
from cellpainting.ledger.inputs import is_current, list_images, stat_pipeline
from cellpainting.ledger.ledger import Ledger, read_ledger, write_ledger
from cellpainting.ledger.manifest import Manifest, StoredFile
from cellpainting.ledger.plan_table import read_plan, write_plan

__all__ = [
    "ImageSet",
    "Ledger",
    "Manifest",
    "Outcome",
    "State",
    "StoredFile",
    "is_current",
    "list_images",
    "read_ledger",
    "read_plan",
    "stat_pipeline",
    "write_ledger",
    "write_plan",
]
