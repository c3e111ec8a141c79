"""Everything there is of one plate, as a page shows it."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from cellpainting.cost.prices import shipped_prices
from cellpainting.ledger import State
from cellpainting.quality.replicates import ReplicateQuality
from cellpainting.report.layers import plate_of
from cellpainting.report.montages import montages_of
from cellpainting.report.oddities import oddities_of
from cellpainting.report.page_data import Figure, Oddity, PageData, ProfileMap, Replicates, Replication, Verdict
from cellpainting.report.profile_map import profile_map
from cellpainting.report.sources import PlateSources
from cellpainting.report.stages import stages_of
from cellpainting.report.verdict import flagged_wells, verdict_of


def unreadable_page(sources: PlateSources, reason: str) -> PageData:
    """The page of a plate whose results are damaged."""
    return PageData(
        title=sources.plate,
        subtitle=f"batch {sources.batch}" if sources.batch else "",
        version=version("cellpainting"),
        verdict=Verdict.BAD,
        reasons=(reason,),
        figures=(),
        oddities=(Oddity("page", reason, is_problem=True),),
    )


def plate_page(sources: PlateSources, features: Sequence[str], missing: Sequence[str] = ()) -> PageData:
    """The page of one plate. `features` are shown beside those that are chosen; `missing` says what was asked for and
    has left nothing of the plate.

    Raises
    ------
    DamagedTable
        If a profile cannot be read.
    InvalidRequest
        If a feature is named that no profile has.
    StorageUnavailable
        If a storage fails.
    """
    plate, oddities = plate_of(sources, features), oddities_of(sources, missing)
    verdict, reasons = verdict_of(sources, plate, oddities)
    stages = stages_of(sources)
    return PageData(
        title=sources.plate or "plate without a name",
        subtitle=f"batch {sources.batch}" if sources.batch else "",
        version=version("cellpainting"),
        verdict=verdict,
        reasons=reasons,
        figures=tuple(_figures(sources)),
        plate=plate,
        montages=montages_of(sources),
        replication=replication_of(sources.replicates, sources.selected or ""),
        profile_map=_map(sources),
        oddities=oddities,
        stages=stages,
        price_note=shipped_prices().on_demand.note if stages else "",
        state_order=tuple(state.value for state in State),
    )


def _map(sources: PlateSources) -> ProfileMap | None:
    selected = sources.profile(sources.selected) if sources.selected else None
    return profile_map(selected, f"{sources.plate}{sources.selected}", sources.naming) if selected else None


def replication_of(found: ReplicateQuality | None, profile: str) -> Replication | None:
    """How alike replicates are, as the page has it."""
    if found is None:
        return None
    treatments = tuple(
        Replicates(
            one.treatment,
            one.kind,
            one.wells,
            one.correlation,
            one.mean_average_precision,
            one.p_value,
            one.corrected_p_value,
        )
        for one in found.treatments
    )
    return Replication(
        profile=profile.removeprefix("_"),
        percent_replicating=found.percent_replicating,
        threshold=found.threshold,
        significant=found.significant,
        null=found.null,
        treatments=treatments,
        about=" ".join((f"Replicates share {found.treatment_column}.", *found.remarks)),
    )


def _figures(sources: PlateSources) -> Iterator[Figure]:
    done = sum(one.state.is_success for one in sources.outcomes)
    if sources.outcomes:
        empty = sum(one.state is State.NO_CELLS for one in sources.outcomes)
        yield Figure("image sets done", f"{done:,} of {len(sources.outcomes):,}", f"{empty:,} of them without cells")
    if sources.ingest:
        cells = sum(sources.ingest.objects.values())
        yield Figure("cells", f"{cells:,}", f"in {len(sources.ingest.objects):,} wells")
    if sources.quality:
        yield Figure("wells flagged", f"{flagged_wells(sources):,}", "saturated, blurred or empty")
    if sources.selected:
        report = sources.reports[sources.selected]
        yield Figure("features selected", f"{report.features:,}", f"of {_features(sources):,}")
    found = sources.replicates
    if found and found.percent_replicating is not None:
        yield Figure("replicating", f"{found.percent_replicating:.0%}", "of the treatments with replicates")
    if found and found.significant is not None:
        yield Figure("told from controls", f"{found.significant:.0%}", "by mean average precision")


def _features(sources: PlateSources) -> int:
    return max(report.features for report in sources.reports.values())
