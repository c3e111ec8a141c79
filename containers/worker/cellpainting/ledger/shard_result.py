"""What a shard's manifest, or its progress, says of the image sets that are planned now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cellpainting.ledger.image_set import ImageSet, Outcome
from cellpainting.ledger.manifest import Manifest

Planned = Mapping[tuple[int, int], ImageSet]  # by shard and number


@dataclass(frozen=True)
class ShardResult:
    """The outcomes of one shard by image set number; `reason` tells why it failed as a whole, and is empty otherwise.

    `replanned` counts outcomes of image sets that the plan does not have any more as they were.
    """

    outcomes: Mapping[int, Outcome]
    replanned: int
    reason: str
    seconds: float

    @classmethod
    def of(cls, manifest: Manifest, planned: Planned) -> "ShardResult":
        """Keep what counts: an outcome whose whole image set, files and folder included, is the plan's.

        The plan's own objects stand in the outcomes, so that a million image sets are not in memory twice.
        """
        counting = {}
        for outcome in manifest.outcomes:
            image_set = planned.get((outcome.image_set.shard, outcome.image_set.number))
            if image_set == outcome.image_set:
                counting[image_set.number] = replace(outcome, image_set=image_set)
        reasons = [manifest.reason, *(group.reason for group in manifest.groups if not group.outcomes)]
        return cls(
            outcomes=counting,
            replanned=len(manifest.outcomes) - len(counting),
            reason=next(filter(None, reasons), ""),
            seconds=manifest.seconds,
        )
