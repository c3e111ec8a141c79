"""A configuration of profiling-recipe makes the recipe's files, plate by plate, and only what has changed again."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pycytominer
import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.layout import Layout, Places
from cellpainting.profiles.make_profiles import Tell, make_profiles
from cellpainting.profiles.place import Place
from cellpainting.profiles.profiles import Profiles
from cellpainting.profiles.read_config import read_config
from cellpainting.storage import FolderStorage
from tests.worker.profiles.made_plates import (
    CONTROL,
    NEGCON,
    PROFILED,
    SMALL_PLATE,
    TREATMENT,
    WELLS,
    Workspace,
    assert_same,
    config_text,
    made_plate,
    reasons,
    rows,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:After omitting NaNs:RuntimeWarning"),  # pycytominer's, of empty features
    pytest.mark.filterwarnings("ignore:All-NaN slice encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning"),
]
SMALL_WELLS = ("A01", "A02", "B01", "B02")
BATCHES = {"B1": ["P1", "P2"], "B2": ["P3"]}
STEPS = ("", "_augmented", "_normalized", "_normalized_negcon")
MEASURED = "Metadata_Object_Count > 0"
FEATURES, WELL_COUNT = 100, 48


def selected(level: str) -> tuple[str, str]:
    return f"_normalized_feature_select_{level}", f"_normalized_feature_select_negcon_{level}"


@pytest.fixture
def plates(workspace: Workspace) -> Workspace:
    """Three plates in two batches, profiled elsewhere."""
    for seed, (batch, plate) in enumerate((batch, plate) for batch, named in BATCHES.items() for plate in named):
        workspace.put_profile(batch, made_plate(features=FEATURES, wells=WELL_COUNT, plate=plate, seed=seed), plate)
    for batch, named in BATCHES.items():
        workspace.put_maps(batch, named, WELLS[:WELL_COUNT])
    return workspace


def at_level(level: str, *edits: tuple[str, str]) -> str:
    return config_text(BATCHES, *PROFILED, ("level: batch", f"level: {level}"), *edits)


def test_a_recipes_configuration_makes_the_recipes_files_of_a_backend(workspace: Workspace) -> None:
    workspace.put_backend("B1")
    workspace.put_maps("B1", [SMALL_PLATE], SMALL_WELLS)
    report = workspace.make(
        config_text({"B1": [SMALL_PLATE]}, ("mad_robustize_fudge_factor: 0", "mad_robustize_fudge_factor: 1"))
    )
    assert reasons(report) == [], reasons(report)
    for step in (*STEPS, *selected("batch")):
        path = workspace.root / "profiles" / "B1" / SMALL_PLATE / f"{SMALL_PLATE}{step}.csv.gz"
        frame = pd.read_csv(path)
        assert len(frame) == len(SMALL_WELLS)
        assert frame["Metadata_Plate"].tolist() == [SMALL_PLATE] * len(SMALL_WELLS)
    stem = workspace.root / "gct" / "B1" / "B1_normalized_feature_select_batch"
    assert stem.with_name(f"{stem.name}.gct").read_text().startswith("#1.3\n")
    assert pd.read_csv(f"{stem}.csv.gz")["Metadata_batch"].tolist() == ["B1"] * len(SMALL_WELLS)
    assert not (workspace.root / "gct" / "B1" / "B1_normalized_feature_select_negcon_batch.gct").exists()


def annotated_by_pycytominer(workspace: Workspace, batch: str, plate: str) -> pd.DataFrame:
    """What pycytominer makes of the same files."""
    given = pd.read_csv(workspace.root / f"profiles/{batch}/{plate}/{plate}.csv.gz", float_precision="round_trip")
    folder = workspace.root / "metadata"
    platemap = pd.read_csv(folder / f"platemaps/{batch}/platemap/map.txt", sep="\t")
    treatments = pd.read_csv(folder / "external_metadata/treatments.tsv", sep="\t")
    return pycytominer.annotate(
        given,
        platemap,
        join_on=["Metadata_well_position", "Metadata_Well"],
        external_metadata=treatments.add_prefix("Metadata_"),
        external_join_on=[TREATMENT],
    )


def normalized_by_pycytominer(workspace: Workspace, samples: str) -> dict[str, pd.DataFrame]:
    return {
        plate: pycytominer.normalize(
            annotated_by_pycytominer(workspace, batch, plate),
            method="mad_robustize",
            samples=f"{samples} and {MEASURED}",
            image_features=True,
        )
        for batch, named in BATCHES.items()
        for plate in named
    }


def selected_by_pycytominer(frames: dict[str, pd.DataFrame], level: str) -> dict[str, list[str]]:
    """The features that are left of each plate."""
    scopes = {"plate": [["P1"], ["P2"], ["P3"]], "batch": [["P1", "P2"], ["P3"]], "all": [["P1", "P2", "P3"]]}[level]
    left: dict[str, list[str]] = {}
    for scope in scopes:
        together = pd.concat([frames[plate] for plate in scope], ignore_index=True).query(MEASURED)
        operations = ["variance_threshold", "correlation_threshold", "drop_na_columns", "blocklist"]
        chosen = pycytominer.feature_select(together, operation=operations, image_features=True)
        features = [name for name in chosen if not name.startswith("Metadata_")]
        left |= dict.fromkeys(scope, features)
    return left


@pytest.mark.parametrize("level", ["plate", "batch", "all"])
def test_profiles_of_every_level_are_those_of_direct_calls_of_pycytominer(plates: Workspace, level: str) -> None:
    assert reasons(plates.make(at_level(level))) == []
    for samples, (step, suffix) in (
        (MEASURED, ("_normalized", selected(level)[0])),
        (NEGCON, ("_normalized_negcon", selected(level)[1])),
    ):
        theirs = normalized_by_pycytominer(plates, samples)
        left = selected_by_pycytominer(theirs, level)
        for batch, named in BATCHES.items():
            for plate in named:
                assert_same(plates.profile(f"{batch}/{plate}/{plate}{step}"), theirs[plate])
                kept = [name for name in theirs[plate] if name.startswith("Metadata_") or name in set(left[plate])]
                made = plates.profile(f"{batch}/{plate}/{plate}{suffix}")
                assert_same(made, theirs[plate][kept])
                assert made.metadata["Metadata_Well"].tolist() == list(WELLS[:WELL_COUNT])
                assert made.metadata["Metadata_target"].notna().sum() == WELL_COUNT * 7 // 8


def test_a_consensus_is_made_of_all_plates_of_a_scope(plates: Workspace) -> None:
    step = ("options:\n", "consensus:\n  replicate_columns: [broad_sample, target]\noptions:\n")
    assert reasons(plates.make(at_level("all", step))) == []
    made = plates.profile("all_normalized_feature_select_all_consensus", "consensus")
    wells = [
        plates.profile(f"{batch}/{plate}/{plate}_normalized_feature_select_all")
        for batch, named in BATCHES.items()
        for plate in named
    ]
    frame = pd.concat([one.take(one.has_cells()).frame() for one in wells])
    columns = [TREATMENT, "Metadata_target"]
    theirs = pycytominer.consensus(frame.dropna(subset=columns), columns, "median", features=list(made.features))
    assert_same(made, theirs)


def test_plates_of_the_same_name_in_two_batches_do_not_mix(plates: Workspace) -> None:
    other = made_plate(features=FEATURES, wells=24, plate="P1", seed=7)
    plates.put_profile("B2", other, "P1")
    plates.put_maps("B2", ["P1", "P3"], WELLS[:WELL_COUNT])
    assert (
        reasons(plates.make(config_text({"B1": ["P1"], "B2": ["P1"]}, *PROFILED, ("level: batch", "level: all")))) == []
    )
    assert len(plates.profile("B1/P1/P1_normalized_feature_select_all").values) == WELL_COUNT
    assert len(plates.profile("B2/P1/P1_normalized_feature_select_all").values) == 24


def test_a_plate_that_calls_itself_otherwise_keeps_its_wells(plates: Workspace) -> None:
    plates.put_profile("B1", made_plate(features=FEATURES, wells=24, plate="P1__2020-11-08"), "P1")
    assert reasons(plates.make(at_level("batch"))) == []
    made = plates.profile("B1/P1/P1_normalized_feature_select_batch")
    assert made.metadata["Metadata_Plate"].tolist() == ["P1__2020-11-08"] * 24


def test_a_column_of_the_platemap_that_is_called_as_ours_stays(plates: Workspace) -> None:
    lines = [(well, "BRD-1", "negcon", "lot 7") for well in WELLS[:WELL_COUNT]]
    header = ("well_position", "broad_sample", "control_type", "batch")
    plates.write("metadata/platemaps/B1/platemap/map.txt", rows(header, *lines))
    assert reasons(plates.make(at_level("batch"))) == []
    made = plates.profile("B1/P1/P1_normalized_feature_select_batch")
    assert set(made.metadata["Metadata_batch"]) == {"lot 7"}


@pytest.mark.parametrize("plate", ["0042", "1e5"])
def test_a_plate_whose_name_looks_like_a_number_keeps_it(workspace: Workspace, plate: str) -> None:
    workspace.put_profile("B1", made_plate(features=FEATURES, wells=WELL_COUNT, plate=plate), plate)
    workspace.put_maps("B1", [plate], WELLS[:WELL_COUNT])
    assert reasons(workspace.make(config_text({"B1": [plate]}, *PROFILED))) == []
    made = workspace.profile(f"B1/{plate}/{plate}_normalized_feature_select_batch")
    assert set(made.metadata["Metadata_Plate"]) == {plate}


def test_controls_that_are_numbers_are_found_by_what_is_written(plates: Workspace) -> None:
    lines = [(well, "BRD-1", 1 if number % 8 == 0 else "") for number, well in enumerate(WELLS[:WELL_COUNT])]
    for batch in BATCHES:
        plates.write(
            f"metadata/platemaps/{batch}/platemap/map.txt", rows(("well_position", "broad_sample", "dmso"), *lines)
        )
    assert (
        reasons(plates.make(at_level("batch", ("options:\n", "controls: {column: dmso, negative: [1]}\noptions:\n"))))
        == []
    )
    assert plates.report("B1/P1/P1_normalized_negcon").findings.reference == {"P1": 6}


ODD = ("a'b", '"2,4-D"', "Zürich", '"x ""y"" z"', "NA", "β;x", "null")


def test_names_of_compounds_go_through_all_steps(plates: Workspace) -> None:
    lines = [(well, ODD[number % len(ODD)], "negcon") for number, well in enumerate(WELLS[:WELL_COUNT])]
    plates.write(
        "metadata/platemaps/B1/platemap/map.txt", rows(("well_position", "broad_sample", "control_type"), *lines)
    )
    assert reasons(plates.make(at_level("batch"))) == []
    names = plates.profile("B1/P1/P1_normalized_feature_select_batch").metadata[TREATMENT]
    expected = ["a'b", "2,4-D", "Zürich", 'x "y" z', None, "β;x", "null"]
    assert [None if pd.isna(name) else name for name in names[:7]] == expected
    frame = pd.read_csv(plates.root / "profiles/B1/P1/P1_augmented.csv.gz", keep_default_na=False)
    assert frame[TREATMENT][:7].tolist() == [name or "" for name in expected]


def without_cells(profiles: Profiles) -> Profiles:
    metadata = profiles.metadata.assign(Metadata_Object_Count=0)
    return replace(profiles, metadata=metadata, values=np.full_like(profiles.values, np.nan))


BARCODES = ("Assay_Plate_Barcode", "Plate_Map_Name")
MAP, TABLE = "metadata/platemaps/B1/platemap/{}.txt", "metadata/platemaps/B1/barcode_platemap.csv"
HEADER = ("well_position", "broad_sample", "control_type")
LINE = ("A01", "BRD-1", "negcon")
BROKEN = {
    "well twice": (rows(HEADER, LINE, ("a1", "x", "trt")), "bad.txt: Metadata_well_position has 'A01' in lines 2, 3"),
    "no well": (rows(HEADER, ("X", "x", "trt")), "bad.txt, line 2: 'X' is no well"),
    "no well column": (rows(("well", "broad_sample"), ("A01", "x")), "bad.txt, line 1: there is no column"),
    "no merge column": (
        rows(("well_position", "x"), ("A01", "x")),
        "bad.txt, line 1: there is no column 'Metadata_broad",
    ),
    "commas": (rows(HEADER, LINE, delimiter=","), "bad.txt, line 1: the columns are divided by commas"),
    "ragged": (rows(HEADER, LINE, ("A02",)), "bad.txt, line 3: it has 1 values, the header 3"),
    "latin": ("\n".join(["well_position\tbroad_sample", "A01\tü"]).encode("latin-1"), "bad.txt, line 2: it is no text"),
    "empty": (b"", "bad.txt is empty"),
    "absent": (None, "bad.txt is not there"),
}


@pytest.mark.parametrize(("content", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_platemap_is_told_and_the_other_plates_are_made(
    plates: Workspace, content: bytes | None, told: str
) -> None:
    if content is not None:
        plates.write(MAP.format("bad"), content)
    plates.write(TABLE, rows(BARCODES, ("P1", "bad"), ("P2", "map"), delimiter=","))
    (problem,) = plates.make(at_level("all")).problems
    assert (problem.batch, problem.plate, problem.step) == ("B1", "P1", "annotate")
    assert told in problem.reason
    for batch, plate in (("B1", "P2"), ("B2", "P3")):
        assert plates.report(f"{batch}/{plate}/{plate}_normalized_feature_select_all").plates == (plate,)


def put_nothing(plates: Workspace) -> None:
    (plates.root / "profiles/B1/P1/P1.csv.gz").unlink()


def put_garbage(plates: Workspace) -> None:
    plates.write("profiles/B1/P1/P1.csv.gz", b"garbage")


def put_empty_wells(plates: Workspace) -> None:
    plates.put_profile("B1", without_cells(made_plate(features=FEATURES, wells=WELL_COUNT)))


def put_no_controls(plates: Workspace) -> None:
    plates.write(MAP.format("none"), rows(HEADER, *((well, "BRD-1", "trt") for well in WELLS[:WELL_COUNT])))
    plates.write(TABLE, rows(BARCODES, ("P1", "none"), ("P2", "map"), delimiter=","))


def put_no_barcode(plates: Workspace) -> None:
    plates.write(TABLE, rows(BARCODES, ("P2", "map"), delimiter=","))


def put_two_maps(plates: Workspace) -> None:
    plates.write(TABLE, rows(BARCODES, ("P1", "map"), ("P2", "map"), ("P1", "other"), delimiter=","))


def put_other_features(plates: Workspace) -> None:
    plate = made_plate(features=FEATURES, wells=WELL_COUNT)
    plates.put_profile("B1", replace(plate, features=tuple(f"Other_F{number}" for number in range(FEATURES))))


TROUBLES = {
    put_nothing: {"aggregate": "P1.csv.gz is not there"},
    put_garbage: {"aggregate": "P1.csv.gz is no CSV that can be read"},
    put_no_barcode: {"annotate": "barcode_platemap.csv has no row for plate 'P1'"},
    put_two_maps: {"annotate": "several platemaps, 'map' in line 2, 'other' in line 4"},
    put_no_controls: {"normalize_negcon": "plate P1 has no negative control: Metadata_control_type has 'trt'"},
    put_empty_wells: {
        "normalize": "plate P1 has no wells with 1 cells or more to normalize to",
        "normalize_negcon": "plate P1 has no negative controls with 1 cells or more",
    },
    put_other_features: {
        "normalize": "there is no feature of cells, cytoplasm, nuclei, the profile has Other; correct",
        "normalize_negcon": "there is no feature of cells, cytoplasm, nuclei",
    },
}


@pytest.mark.parametrize(("trouble", "told"), TROUBLES.items(), ids=[trouble.__name__ for trouble in TROUBLES])
def test_a_plate_in_trouble_is_told_by_step_and_the_others_are_made(
    plates: Workspace, trouble: object, told: dict[str, str]
) -> None:
    assert callable(trouble)
    trouble(plates)
    report = plates.make(at_level("all"))
    assert {(one.batch, one.plate, one.step) for one in report.problems} == {("B1", "P1", step) for step in told}
    for problem in report.problems:
        assert told[problem.step] in problem.reason
    for batch, plate in (("B1", "P2"), ("B2", "P3")):
        for step in selected("all"):
            assert plates.report(f"{batch}/{plate}/{plate}{step}").wells == WELL_COUNT


def test_external_metadata_that_is_broken_is_told_for_every_plate(plates: Workspace) -> None:
    known = rows(("broad_sample", "target"), ("BRD-1", "a"), ("BRD-1", "b"))
    plates.write("metadata/external_metadata/treatments.tsv", known)
    problems = plates.make(at_level("all")).problems
    assert [one.plate for one in problems] == ["P1", "P2", "P3"]
    assert all("treatments.tsv: Metadata_broad_sample has 'BRD-1' in lines 2, 3" in one.reason for one in problems)


def test_a_damaged_backend_is_told_and_the_other_plate_is_made(workspace: Workspace) -> None:
    for batch in ("B1", "B2"):
        folder = workspace.put_backend(batch)
        workspace.put_maps(batch, [SMALL_PLATE], SMALL_WELLS)
    (folder / "Nuclei.parquet").write_bytes(b"PAR1")
    edit = ("mad_robustize_fudge_factor: 0", "mad_robustize_fudge_factor: 1")
    (problem,) = workspace.make(config_text({"B1": [SMALL_PLATE], "B2": [SMALL_PLATE]}, edit)).problems
    assert (problem.batch, problem.plate, problem.step) == ("B2", SMALL_PLATE, "aggregate")
    assert "Nuclei.parquet cannot be read" in problem.reason
    assert workspace.report(f"B1/{SMALL_PLATE}/{SMALL_PLATE}_normalized").wells == len(SMALL_WELLS)


@pytest.mark.parametrize("step", ["normalize", "feature_select"])
def test_a_feature_that_is_named_and_not_there_is_told(plates: Workspace, step: str) -> None:
    name = "Cells_Nothing"
    text = re.sub(rf"({step}:\n(?:  .*\n)*?)  features: infer", rf"\1  features: [{name}]", at_level("batch"), count=1)
    told = [one for one in plates.make(text).problems if one.step == step]
    assert told
    assert all(f"there is no feature '{name}' (1 of 1 are not there)" in one.reason for one in told)


def test_nothing_is_made_again_where_nothing_has_changed(plates: Workspace) -> None:
    plates.make(at_level("batch"))
    before = plates.times()
    report = plates.make(at_level("batch"))
    assert plates.times() == before
    assert len(before) > 3 * 6 * 3
    assert len(report.profiles) == 3 * 6 + 2


def changed(plates: Workspace, before: dict[str, int]) -> set[str]:
    """Names of profiles that were made again."""
    after = plates.times()
    assert set(after) == set(before)
    return {name for name in after if after[name] != before[name] and name.endswith(".json")}


def test_only_what_follows_from_a_changed_platemap_is_made_again(plates: Workspace) -> None:
    plates.make(at_level("batch"))
    before = plates.times()
    path = plates.root / "metadata/platemaps/B2/platemap/map.txt"
    path.write_bytes(path.read_bytes().replace(b"BRD-3\ttrt", b"BRD-4\ttrt"))
    plates.make(at_level("batch"))
    steps = ("_augmented", "_normalized", "_normalized_negcon", *selected("batch"))
    gct = "gct/B2/B2_normalized_feature_select_batch.json"
    assert changed(plates, before) == {gct, *(f"profiles/B2/P3/P3{step}.json" for step in steps)}


def test_only_what_follows_from_a_changed_profile_is_made_again(plates: Workspace) -> None:
    plates.make(at_level("plate", ("gct: true", "gct: false")))
    before = plates.times()
    plates.put_profile("B1", made_plate(features=FEATURES, wells=WELL_COUNT, seed=5))
    plates.make(at_level("plate", ("gct: true", "gct: false")))
    assert changed(plates, before) == {f"profiles/B1/P1/P1{step}.json" for step in (*STEPS, *selected("plate"))}


def test_only_what_follows_from_a_changed_setting_is_made_again(plates: Workspace) -> None:
    plates.make(at_level("batch"))
    before = plates.times()
    plates.make(
        at_level(
            "batch", ("    - blocklist\n  min_cells: 1\nfeature_select_negcon", "  min_cells: 1\nfeature_select_negcon")
        )
    )
    made = {
        f"profiles/{batch}/{plate}/{plate}{selected('batch')[0]}.json" for batch in BATCHES for plate in BATCHES[batch]
    }
    assert changed(plates, before) == made | {
        f"gct/{batch}/{batch}_normalized_feature_select_batch.json" for batch in BATCHES
    }


def test_what_was_removed_or_replaced_by_hand_is_made_again(plates: Workspace) -> None:
    plates.make(at_level("batch"))
    expected = plates.profile("B1/P1/P1_normalized")
    (plates.root / "profiles/B1/P1/P1_augmented.csv.gz").unlink()
    (plates.root / "profiles/B1/P1/P1_normalized.parquet").write_bytes(b"other")
    assert reasons(plates.make(at_level("batch"))) == []
    assert (plates.root / "profiles/B1/P1/P1_augmented.csv.gz").exists()
    pd.testing.assert_frame_equal(plates.profile("B1/P1/P1_normalized").frame(), expected.frame())


def test_all_is_made_again_by_force(plates: Workspace) -> None:
    plates.make(at_level("batch"))
    given = {f"profiles/{batch}/{plate}/{plate}.csv.gz" for batch, named in BATCHES.items() for plate in named}
    before = plates.times()
    plates.make(at_level("batch"), force=True)
    after = plates.times()
    assert {name for name in after if after[name] == before[name]} == given


def test_profiles_are_not_written_among_the_backends(workspace: Workspace) -> None:
    place = Place(FolderStorage(workspace.root))
    config = read_config(config_text(BATCHES, ("output_dir: profiles", "output_dir: backend")).encode(), "config.yml")
    places = Places(Place(FolderStorage(workspace.root), "backend"), Layout(place), place)
    with pytest.raises(InvalidRequest, match="where the backends are"):
        make_profiles(config, places, Tell())


def test_control_types_are_those_of_the_platemap(plates: Workspace) -> None:
    plates.make(at_level("batch"))
    made = plates.profile("B1/P1/P1_augmented").metadata
    assert made[CONTROL].tolist() == ["negcon" if number % 8 == 0 else "trt" for number in range(WELL_COUNT)]
