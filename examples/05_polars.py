"""The dataset in Polars, without a broker: which words do people write when a fire starts near them?

A lazy query is planned as a whole before anything is read: only the columns that it needs, in all threads.
"""

import argparse
import sys
from pathlib import Path

import polars as pl

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("dataset", nargs="?", type=Path, default=Path("data/sample"))
public = parser.parse_args().dataset / "public"
if not public.is_dir():
    parser.error(f"{public}: no such folder; `zakar simulate tiny --out data/tiny` makes a dataset")

steps = pl.LazyFrame({"step": [-1, 0, 1]})
near = (  # cells within one of an alert, on its day
    pl.scan_parquet(public / "fire_alerts" / "*.parquet")
    .join(steps.rename({"step": "dx"}), how="cross")
    .join(steps.rename({"step": "dy"}), how="cross")
    .select(
        day="event_day",
        geospatial_x=(pl.col("geospatial_x") + pl.col("dx")).cast(pl.Int16),
        geospatial_y=(pl.col("geospatial_y") + pl.col("dy")).cast(pl.Int16),
        near=True,
    )
    .unique()
)
words = (
    pl.scan_parquet(public / "tweets" / "*.parquet")
    .join(near, on=["day", "geospatial_x", "geospatial_y"], how="left")
    .select(
        near=pl.col("near").fill_null(False),
        word=pl.col("tweet").str.to_lowercase().str.extract_all(r"[a-z']{4,}").list.unique(),
    )
    .explode("word")
    .group_by("word")
    .agg(near=pl.col("near").sum(), far=pl.col("near").not_().sum())
)
number = pl.scan_parquet(public / "tweets" / "*.parquet").select(pl.len()).collect().item()
print(f"counting the words of {number:,} posts", file=sys.stderr)
answer = (
    words.filter(pl.col("near") >= 5)
    .with_columns(times=(pl.col("near") / pl.col("near").sum()) / ((pl.col("far") + 1) / pl.col("far").sum()))
    .sort("times", "word", descending=[True, False])
    .head(15)
    .collect()
)
with pl.Config(tbl_rows=15, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, float_precision=1):
    print(answer)
