"""What was planned against what was done: every image set in exactly one state."""

from cellpainting.ledger.image_set import Cause, ImageSet, Outcome, State
from cellpainting.ledger.inputs import find_changed, list_images
from cellpainting.ledger.ledger import Ledger, ShardState, write_ledger
from cellpainting.ledger.lost_shard import LostShard
from cellpainting.ledger.manifest import GroupResult, Manifest, StoredFile
from cellpainting.ledger.plan_table import read_plan, write_plan
from cellpainting.ledger.reader import LedgerReader, read_ledger

__all__ = [
    "Cause",
    "GroupResult",
    "ImageSet",
    "Ledger",
    "LedgerReader",
    "LostShard",
    "Manifest",
    "Outcome",
    "ShardState",
    "State",
    "StoredFile",
    "find_changed",
    "list_images",
    "read_ledger",
    "read_plan",
    "write_ledger",
    "write_plan",
]
