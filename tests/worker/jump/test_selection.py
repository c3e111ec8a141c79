"""What a selection takes and leaves, and the job files that come of it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import DownloadImages, parse_message
from cellpainting.jump.gallery import open_gallery
from cellpainting.jump.load_data import collect, plates_of
from cellpainting.jump.metadata import merge, read_tables
from cellpainting.jump.selection import choose, read_known_bad
from cellpainting.jump.selection_config import Selection, read_selection
from tests.conftest import REPOSITORY
from tests.worker.jump.small_jump import DMSO, PLATES, SITES, Gallery, load_data_of

CONTROLS = REPOSITORY.parent / "shared" / "data" / "jump_metadata" / "perturbation_control.csv"
NOTHING_BAD = pl.DataFrame(
    schema=dict.fromkeys([f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site")], pl.String)
)


def config(path: Path, document: Any) -> Path:
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def frame(tables: Path) -> pl.DataFrame:
    """The load data of all plates, joined with the metadata."""
    metadata = merge(*read_tables(tables))[0].drop("Metadata_Batch", "Metadata_Source")
    return pl.concat([load_data_of(plate) for plate in PLATES]).join(
        metadata, on=["Metadata_Plate", "Metadata_Well"], how="left", maintain_order="left"
    )


def sites_by(frame: pl.DataFrame, *columns: str) -> dict[Any, int]:
    counted = frame.group_by(columns).len()
    return {tuple(row[:-1]) if len(row) > 2 else row[0]: row[-1] for row in counted.iter_rows()}


def selected(frame: pl.DataFrame, **fields: Any) -> pl.DataFrame:
    return choose(frame, Selection(**fields), NOTHING_BAD)


def test_controls_are_counted_by_their_own_number_and_never_mixed(frame: pl.DataFrame) -> None:
    counts = {"default": {"negcon": 1, "poscon": 2, "trt": 3}}
    taken = sites_by(selected(frame, sites_per_well=counts), "Metadata_pert_type", "Metadata_Plate", "Metadata_Well")
    wells = sites_by(frame, "Metadata_pert_type", "Metadata_Plate", "Metadata_Well")
    wanted = {"negcon": 1, "poscon": 2, "trt": 3}
    assert taken == {key: wanted[key[0]] for key in wells if key[0] in wanted}


def test_plate_types_have_numbers_of_their_own(frame: pl.DataFrame) -> None:
    counts = {"default": {"negcon": 1, "poscon": 0, "trt": 0}, "TARGET2": {"negcon": 4, "poscon": None}}
    taken = selected(frame, sites_per_well=counts)
    assert sites_by(taken.filter(Metadata_PlateType="TARGET2"), "Metadata_pert_type") == {
        "negcon": 4,
        "poscon": 9,
        "trt": 9,
    }
    assert set(taken.filter(pl.col("Metadata_PlateType") != "TARGET2")["Metadata_pert_type"]) == {"negcon"}


def test_empty_wells_and_wells_that_nobody_knows_are_left_out_unless_asked_for(frame: pl.DataFrame) -> None:
    assert set(selected(frame)["Metadata_pert_type"]) == {"negcon", "poscon", "trt"}
    with_empty = selected(frame, sites_per_well={"default": {"empty": 2}})
    assert sites_by(with_empty, "Metadata_pert_type")["empty"] == 2


@pytest.mark.parametrize(
    ("filters", "plates"),
    [
        ({"sources": ["source_4"]}, {"P1", "P2"}),
        ({"batches": ["Batch1_20221004"]}, {"0042"}),
        ({"plates": ["0042", "P1"]}, {"0042", "P1"}),
        ({"plate_types": ["ORF", "CRISPR"]}, {"P1", "CP1"}),
        ({"genes": ["NAT1"]}, {"P1"}),
        ({"genes": ["2"]}, {"CP1"}),
        ({"compounds": ["quinidine"]}, {"P2", "0042"}),
        ({"compounds": ["LOUPRKONTZGTKE-LHHVKLHASA-N"]}, {"P2", "0042"}),
        ({"compounds": [DMSO]}, {"P1", "P2", "0042", "CP1"}),
        ({"wells": ["AA02"]}, {"0042"}),
        ({"sources": ["source_4"], "plate_types": ["ORF"]}, {"P1"}),
    ],
)
def test_filters_keep_what_has_one_of_their_values(
    frame: pl.DataFrame, filters: dict[str, Sequence[str]], plates: set[str]
) -> None:
    assert set(selected(frame, keep=filters)["Metadata_Plate"]) == plates


def test_left_out_is_left_out_of_what_is_kept(frame: pl.DataFrame) -> None:
    taken = selected(frame, keep={"sources": ("source_4",)}, leave_out={"plates": ("P1",), "pert_types": ("negcon",)})
    assert set(taken["Metadata_Plate"]) == {"P2"}
    assert set(taken["Metadata_pert_type"]) == {"poscon", "trt"}


def test_known_bad_sites_are_replaced_by_others_of_the_well_and_no_other_well_changes(frame: pl.DataFrame) -> None:
    selection = Selection(sites_per_well={"default": {"negcon": 3, "poscon": 3, "trt": 3}})
    before = choose(frame, selection, NOTHING_BAD)
    bad = before.filter(Metadata_Plate="P1", Metadata_Well="A02").head(1).select(NOTHING_BAD.columns)
    after = choose(frame, selection, bad)
    assert len(after) == len(before)
    assert after.join(bad, on=NOTHING_BAD.columns, how="semi").is_empty()
    elsewhere = ~((pl.col("Metadata_Plate") == "P1") & (pl.col("Metadata_Well") == "A02"))
    assert after.filter(elsewhere).equals(before.filter(elsewhere))


def test_empty_cells_of_a_known_bad_list_stand_for_all(frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("Metadata_Source,Metadata_Batch,Metadata_Plate,Metadata_Well,Metadata_Site\nsource_4,,P1,,\n")
    bad = read_known_bad([path])
    assert len(bad) > 1, "those that come with the program are among them"
    assert set(choose(frame, Selection(), bad)["Metadata_Plate"]) == {"P2", "0042", "CP1"}
    path.write_text("Metadata_Source,Metadata_Batch,Metadata_Plate,Metadata_Well,Metadata_Site\n,,,,\n")
    with pytest.raises(InvalidRequest, match="name nothing"):
        read_known_bad([path])


@pytest.mark.skipif(not CONTROLS.is_file(), reason=f"{CONTROLS} is not there")
def test_real_controls_are_sampled_as_what_they_are(tables: Path) -> None:
    """Each control of the published table in a well of its own: the swap of the published downloader cannot happen."""
    (tables / "perturbation_control.csv").write_bytes(CONTROLS.read_bytes())
    controls = pl.read_csv(CONTROLS, infer_schema=False)
    wells = [
        ("source_4", "P1", f"B{number:02}", jcp) for number, jcp in enumerate(controls["Metadata_JCP2022"], start=1)
    ]
    frame = pl.DataFrame(
        wells, schema=["Metadata_Source", "Metadata_Plate", "Metadata_Well", "Metadata_JCP2022"], orient="row"
    )
    frame = frame.join(controls, on="Metadata_JCP2022").with_columns(
        pl.lit("b1").alias("Metadata_Batch"),
        pl.lit("COMPOUND").alias("Metadata_PlateType"),
        pl.lit("X").alias("Metadata_Symbol"),
    )
    frame = frame.join(pl.DataFrame({"Metadata_Site": list(SITES)}), how="cross")
    taken = selected(frame, sites_per_well={"default": {"negcon": 1, "poscon": 4}})
    by_name = sites_by(taken, "Metadata_Name")
    assert by_name["DMSO"] == by_name["non-targeting"] == by_name["LacZ"] == 1
    assert by_name["AMG900"] == by_name["PLK1"] == by_name["eGFP"] == 4
    assert "Empty" not in by_name
    assert len(taken) == 7 * 1 + 10 * 4


@st.composite
def real_layouts(draw: st.DrawFn) -> pl.DataFrame:
    """Load data of some real plates, with real controls and treatments in some of their wells."""
    plates = pl.read_csv(CONTROLS.with_name("plate.csv.gz"), infer_schema=False)
    controls = pl.read_csv(CONTROLS, infer_schema=False)
    kinds = [*controls.select("Metadata_JCP2022", "Metadata_pert_type").rows(), ("JCP2022_900002", "trt")]
    rows = []
    for number in draw(st.lists(st.integers(0, len(plates) - 1), min_size=1, max_size=3, unique=True)):
        for well, kind, sites in draw(
            st.lists(
                st.tuples(st.sampled_from(["A01", "B12", "P24", "AF48"]), st.sampled_from(kinds), st.integers(1, 9)),
                max_size=4,
                unique_by=lambda well: well[0],
            )
        ):
            told = {**plates.row(number, named=True), "Metadata_Well": well}
            told |= dict(zip(("Metadata_JCP2022", "Metadata_pert_type"), kind, strict=True))
            rows += [{**told, "Metadata_Site": str(site)} for site in range(1, sites + 1)]
    names = [*plates.columns, "Metadata_Well", "Metadata_JCP2022", "Metadata_pert_type", "Metadata_Site"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))


WELL = ("Metadata_Source", "Metadata_Plate", "Metadata_Well")


@pytest.mark.skipif(not CONTROLS.is_file(), reason=f"{CONTROLS} is not there")
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_wells_of_real_plates_give_the_number_of_their_own_control_type(data: st.DataObject) -> None:
    frame = data.draw(real_layouts())
    number = st.integers(0, 9)
    wanted = {kind: data.draw(number) for kind in ("negcon", "poscon", "trt", "empty")}
    of_target = {kind: data.draw(number) for kind in ("negcon", "poscon", "trt", "empty")}
    taken = selected(frame, sites_per_well={"default": wanted, "TARGET2": of_target})
    counted = sites_by(taken, *WELL)
    for *well, plate_type, kind, there in (
        frame.group_by(*WELL, "Metadata_PlateType", "Metadata_pert_type").len().iter_rows()
    ):
        most = (of_target if plate_type == "TARGET2" else wanted)[kind]
        assert counted.get(tuple(well), 0) == min(most, there)


def test_configuration_becomes_types(tmp_path: Path) -> None:
    path = config(
        tmp_path / "selection.yml",
        {
            "seed": 7,
            "keep": {"plates": ["0042"]},
            "sites_per_well": {"default": {"trt": 3, "negcon": "all"}},
            "known_bad": ["bad.csv"],
            "request": {"output": "images", "scaling": "plate"},
        },
    )
    selection = read_selection(path)
    assert selection.seed == 7
    assert (selection.sites("ORF", "trt"), selection.sites("ORF", "negcon"), selection.sites("ORF", "empty")) == (
        3,
        None,
        0,
    )
    assert selection.known_bad == (tmp_path / "bad.csv",)
    assert selection.job("x").scaling == "plate"


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"sampling": {}}, "sampling"),
        ({"keep": {"plate": ["P1"]}}, "keep.plate"),
        ({"keep": {"plates": [42]}}, "keep.plates"),
        ({"keep": ["P1"]}, "keep"),
        ({"sites_per_well": {"ORF": {"dmso": 1}}}, "sites_per_well.ORF.dmso"),
        ({"sites_per_well": {"ORF": {"trt": -1}}}, "sites_per_well.ORF.trt"),
        ({"sites_per_well": {"ORF": {"trt": "some"}}}, "sites_per_well.ORF.trt"),
        ({"sites_per_well": {"ORF": {"trt": True}}}, "sites_per_well.ORF.trt"),
        ({"seed": "x"}, "seed"),
        ({"jobs": ""}, "jobs"),
        ({"request": {"crop": 3}}, "crop"),
        ({"request": {"percentile": 50}}, "percentile"),
    ],
)
def test_bad_field_of_the_configuration_is_named(tmp_path: Path, document: Any, named: str) -> None:
    with pytest.raises(InvalidField) as refused:
        read_selection(config(tmp_path / "selection.yml", document))
    assert refused.value.field == named


def test_text_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "selection.yml").write_text("keep: [")
    with pytest.raises(InvalidRequest, match="not YAML"):
        read_selection(tmp_path / "selection.yml")


@pytest.fixture
def data_set(gallery: Gallery, tables: Path, tmp_path: Path) -> Path:
    metadata = merge(*read_tables(tables))[0]
    folder = tmp_path / "load_data"
    list(collect(plates_of(metadata), metadata, folder, open_gallery(gallery.url, 4), 4))
    return folder


def cpb(folder: Path, gallery: Gallery, document: Any, *arguments: str) -> "subprocess.CompletedProcess[str]":
    path = config(folder / "selection.yml", document)
    command = [
        "cpb",
        "jump",
        "select",
        str(path),
        "--load-data",
        str(folder / "load_data"),
        "--output",
        str(folder / "jobs"),
    ]
    return subprocess.run(
        [*command, "--endpoint-url", gallery.url, *arguments], capture_output=True, text=True, check=False
    )


FEW = {"sites_per_well": {"default": {"negcon": 1, "poscon": 1, "trt": 2}}, "request": {"output": "jump/images"}}


def test_job_file_and_request_of_each_plate_are_written(gallery: Gallery, data_set: Path, tmp_path: Path) -> None:
    done = cpb(tmp_path, gallery, FEW)
    assert done.returncode == 0, done.stderr
    names = sorted(path.stem for path in (tmp_path / "jobs").glob("*.parquet"))
    assert names == sorted(f"{source}__{batch}__{plate}" for plate, (source, batch, _, _) in PLATES.items())
    records = parse_message((tmp_path / "jobs" / "requests.json").read_text())
    assert [record.job.load_data for record in records] == [f"jump/jobs/{name}.parquet" for name in names]
    assert all(isinstance(record.job, DownloadImages) for record in records)
    orf = pl.read_parquet(tmp_path / "jobs" / "source_4__2021_04_26_Batch1__P1.parquet")
    assert sites_by(orf, "Metadata_pert_type") == {"negcon": 2, "trt": 2}
    assert orf["Metadata_Source"].unique().to_list() == ["source_4"]


def test_counts_and_sizes_are_told_before_anything_is_fetched(gallery: Gallery, data_set: Path, tmp_path: Path) -> None:
    gallery.put_images("P1", "A02")
    document = {"keep": {"plates": ["P1"], "wells": ["A02"]}, "sites_per_well": {"default": {"trt": 2}}}
    report = json.loads(cpb(tmp_path, gallery, document, "--json").stdout)
    sizes = report["sizes"]
    assert (sizes["files"], sizes["asked"], sizes["missing"]) == (10, 10, [])
    assert sizes["fetched"]["size_bytes"] > 10 * 64 * 64 * 2
    assert sizes["fetched"]["margin_bytes"] == 0
    (count,) = [count for count in report["chosen"]["counts"] if count["sites"]]
    assert (count["plate_type"], count["control_type"], count["wells"], count["sites"]) == ("ORF", "trt", 1, 2)
    assert not list(tmp_path.rglob("*.tiff"))


def test_files_that_are_not_there_are_named_before_anything_is_fetched(
    gallery: Gallery, data_set: Path, tmp_path: Path
) -> None:
    done = cpb(
        tmp_path, gallery, {"keep": {"plates": ["P1"], "wells": ["A02"]}, "sites_per_well": {"default": {"trt": 1}}}
    )
    assert "5 files, not known to fetch" in done.stdout
    assert done.stdout.count("not there: s3://cellpainting-gallery/") == 5


def test_same_seed_same_choice_and_another_seed_another(gallery: Gallery, data_set: Path, tmp_path: Path) -> None:
    def chosen(seed: int) -> list[pl.DataFrame]:
        assert cpb(tmp_path, gallery, {**FEW, "seed": seed}).returncode == 0
        return [pl.read_parquet(path) for path in sorted((tmp_path / "jobs").glob("*.parquet"))]

    first, again, other = chosen(1), chosen(1), chosen(2)
    assert all(one.equals(two) for one, two in zip(first, again, strict=True))
    assert not all(one.equals(two) for one, two in zip(first, other, strict=True))


def test_values_that_nothing_has_are_named_and_the_rest_is_written(
    gallery: Gallery, data_set: Path, tmp_path: Path
) -> None:
    done = cpb(tmp_path, gallery, {**FEW, "keep": {"genes": ["NAT1", "TP53"]}})
    assert done.returncode == 1
    assert "keep.genes: nothing has TP53" in done.stdout
    assert [path.stem for path in (tmp_path / "jobs").glob("*.parquet")] == ["source_4__2021_04_26_Batch1__P1"]


def test_job_files_of_an_earlier_selection_do_not_stay(gallery: Gallery, data_set: Path, tmp_path: Path) -> None:
    cpb(tmp_path, gallery, FEW)
    cpb(tmp_path, gallery, {**FEW, "keep": {"plates": ["0042"]}})
    names = sorted(path.name for path in (tmp_path / "jobs").glob("source_*"))
    assert names == ["source_1__Batch1_20221004__0042.json", "source_1__Batch1_20221004__0042.parquet"]


def test_gallery_out_of_reach_does_not_keep_the_choice_back(gallery: Gallery, data_set: Path, tmp_path: Path) -> None:
    path = config(tmp_path / "selection.yml", FEW)
    command = ["cpb", "jump", "select", str(path), "--load-data", str(data_set), "--output", str(tmp_path / "jobs")]
    done = subprocess.run(
        [*command, "--endpoint-url", "http://127.0.0.1:9"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "to fetch: not known" in done.stdout


def test_folder_that_is_no_data_set_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "load_data").mkdir()
    done = cpb(tmp_path, gallery, FEW)
    assert done.returncode == 2
    assert "cpb jump load-data" in done.stderr
