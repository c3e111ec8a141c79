"""Sites of each well by control type, as jump_download's document has it: pandas, group by group.

Run in an environment that has pandas; prints the processor seconds of one plate, once per plate.

    python benchmarks/peers/pandas_sampling.py PLATE.csv TIMES
"""

import sys
import time

import pandas as pd

WELL = ["Metadata_Source", "Metadata_Batch", "Metadata_Plate", "Metadata_Well"]
WANTED = {"poscon": 4, "negcon": 3, "trt": 6}


def sample(load_data: pd.DataFrame, plate_types: list[str]) -> pd.Series:
    """Whether each image set is taken."""
    taken = pd.Series(False, index=load_data.index)
    names = [load_data[column].astype(str) for column in (*WELL, "Metadata_Site")]
    load_data = load_data.assign(id=names[0] + "/" + names[1] + "/" + names[2] + "/" + names[3] + "/" + names[4])
    for control_type, most in WANTED.items():
        ids = (
            load_data.query(f"Metadata_PlateType.isin({plate_types})")
            .query(f"Metadata_pert_type == '{control_type}'")
            .groupby(WELL)
            .apply(lambda well, most=most: well.sample(min(most, len(well)), replace=False))["id"]
        )
        taken |= load_data["id"].isin(ids)
    return taken


if __name__ == "__main__":
    plate = pd.read_csv(sys.argv[1], dtype=str)
    for _ in range(int(sys.argv[2])):
        started = time.process_time()
        count = int(sample(plate, ["COMPOUND"]).sum())
        print(time.process_time() - started, count)
