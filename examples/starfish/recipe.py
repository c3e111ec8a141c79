"""In-situ sequencing, as starfish's own example has it: align the rounds, sharpen the spots, find and decode them."""

from starfish import Codebook, DecodedIntensityTable, FieldOfView
from starfish.image import ApplyTransform, Filter, LearnTransform
from starfish.spots import DecodeSpots, FindSpots
from starfish.types import Axes, Levels, TraceBuildingStrategies

DRIFT_PARTS = 10  # of a pixel that the drift of the stage is measured in
SPOT_RADIUS_PX = 15
FAINTEST = 0.05  # share of the whole range


def process_fov(fov: FieldOfView, codebook: Codebook) -> DecodedIntensityTable:
    """Decode one field of view."""
    primary, dots = fov.get_image("primary"), fov.get_image("dots")
    by_round = primary.reduce({Axes.CH, Axes.ZPLANE}, func="max")
    drifts = LearnTransform.Translation(reference_stack=dots, axes=Axes.ROUND, upsampling=DRIFT_PARTS).run(by_round)
    aligned = ApplyTransform.Warp().run(primary, transforms_list=drifts)
    sharpen = Filter.WhiteTophat(masking_radius=SPOT_RADIUS_PX, is_volume=False, level_method=Levels.CLIP)
    sharp, sharp_dots = sharpen.run(aligned, n_processes=1), sharpen.run(dots, n_processes=1)
    blobs = FindSpots.BlobDetector(min_sigma=1, max_sigma=5, num_sigma=9, threshold=FAINTEST, measurement_type="max")
    spots = blobs.run(image_stack=sharp, reference_image=sharp_dots, n_processes=1)
    decoder = DecodeSpots.PerRoundMaxChannel(codebook, trace_building_strategy=TraceBuildingStrategies.EXACT_MATCH)
    return decoder.run(spots=spots)
