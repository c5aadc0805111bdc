"""The dataset in DuckDB, without a broker: how warm is the island when fires start?

Parquet folders are tables, and a question is a query. DuckDB reads only the columns that it needs, in all threads.
"""

import argparse
from pathlib import Path

import duckdb

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("dataset", nargs="?", type=Path, default=Path("data/sample"))
public = parser.parse_args().dataset / "public"
if not public.is_dir():
    parser.error(f"{public}: no such folder; `zakar simulate tiny --out data/tiny` makes a dataset")

readings = duckdb.read_parquet(str(public / "temperature_readings" / "*.parquet"))
alerts = duckdb.read_parquet(str(public / "fire_alerts" / "*.parquet"))

answer = duckdb.sql("""
    WITH island AS (SELECT day, avg(temperature) AS mean FROM readings GROUP BY day),
         fires AS (SELECT event_day AS day, count(*) AS number FROM alerts GROUP BY event_day)
    SELECT 10 * floor(mean / 10)::INT AS degrees_f,  -- from here to 10 degrees more
           count(*) AS days,
           coalesce(sum(number), 0)::INT AS alerts,
           round(coalesce(sum(number), 0) / count(*), 2) AS alerts_a_day
    FROM island LEFT JOIN fires USING (day)
    GROUP BY degrees_f
    ORDER BY degrees_f
""")
print(answer)
