"""profiling-recipe's summary.tsv, with what its columns have always meant."""

from collections.abc import Sequence

import pandas as pd
import pytest

from cellpainting.errors import InvalidRequest, InvalidTable, NoImageSets
from cellpainting.quality.recipe_summary import PlateSummary, plate_summary, summary_tsv

PLACE = ("Metadata_Row", "Metadata_Col")
HEADER = "Batch_Name\tPlate_Name\tWell_Count\tImages_per_site\tSites_per_well_Median\tSites_per_well_mad\n"


def load_data(sites: Sequence[int]) -> pd.DataFrame:
    """Load data with so many sites in each of some wells, and two images of each."""
    rows = [(1 + well // 24, 1 + well % 24, site) for well, number in enumerate(sites) for site in range(1, number + 1)]
    frame = pd.DataFrame(rows, columns=[*PLACE, "Metadata_Site"])
    return frame.assign(FileName_OrigDNA="a.tiff", FileName_OrigER="b.tiff", PathName_OrigDNA="/images")


def test_a_plate_is_counted_by_wells_sites_and_images() -> None:
    summary = plate_summary("batch", "P1", load_data([9] * 384), PLACE)
    assert summary == PlateSummary("batch", "P1", 384, 2, 9.0, 0.0)
    assert summary_tsv([summary]).decode() == HEADER + "batch\tP1\t384\t2\t9\t0.000\n"


def test_the_deviation_is_the_mean_absolute_one_about_the_mean() -> None:
    summary = plate_summary("batch", "P1", load_data([9, 9, 9, 1]), PLACE)  # mean 7: 2, 2, 2 and 6 from it
    assert summary.sites_deviation == 3.0
    assert summary.row[-1] == "3.000"


def test_a_median_between_two_numbers_of_sites_is_not_cut() -> None:
    assert plate_summary("batch", "P1", load_data([9, 8]), PLACE).row[-2:] == ("8.5", "0.500")


def test_rows_and_columns_may_be_letters_and_have_any_name() -> None:
    frame = load_data([2, 3]).rename(columns={"Metadata_Row": "Row", "Metadata_Col": "Metadata_Well"}).assign(Row="A")
    assert plate_summary("batch", "P1", frame, ("Row", "Metadata_Well")).wells == 2


def test_plates_are_sorted_by_batch_and_name() -> None:
    plates = [
        PlateSummary(batch, plate, 1, 5, 9, 0) for batch, plate in (("b", "1"), ("a", "10"), ("a", "2"), ("a", "1"))
    ]
    lines = summary_tsv(plates).decode().splitlines()[1:]
    assert [line.split("\t")[:2] for line in lines] == [["a", "1"], ["a", "10"], ["a", "2"], ["b", "1"]]


def test_other_plates_of_an_older_file_are_kept_word_by_word_and_the_same_ones_replaced() -> None:
    older = HEADER + "batch\t007\t384\t5\t9\t0.100\nbatch\tP1\t1\t1\t1\t1.000\nother\tP1\t2\t2\t2\t0.0\n"
    made = summary_tsv([PlateSummary("batch", "P1", 384, 5, 9, 0)], older.encode())
    expected = "batch\t007\t384\t5\t9\t0.100\nbatch\tP1\t384\t5\t9\t0.000\nother\tP1\t2\t2\t2\t0.0\n"
    assert made.decode() == HEADER + expected
    assert summary_tsv([], made) == made


def test_an_older_file_with_other_columns_is_refused() -> None:
    with pytest.raises(InvalidTable, match=r"summary.tsv has the columns a, b where Batch_Name, .* are expected"):
        summary_tsv([], b"a\tb\n1\t2\n")


def test_columns_that_are_not_there_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match=r"no column 'Row' in the load data of plate P1, which has Metadata_Row"):
        plate_summary("batch", "P1", load_data([1]), ("Row", "Metadata_Col"))


@pytest.mark.parametrize("frame", [load_data([]), load_data([3]).assign(Metadata_Row=None)])
def test_load_data_without_a_well_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(NoImageSets, match="no row of the load data of plate P1 has a value"):
        plate_summary("batch", "P1", frame, PLACE)
