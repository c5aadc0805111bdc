import os
import subprocess
import sys
from pathlib import Path

CODE = """
from zakar import processes
processes.slim()
import pyarrow as pa
assert pa.array(["a"]).to_pylist() == ["a"]
"""


def test_pyarrow_imports_no_pandas_where_there_is_one(tmp_path: Path):
    (tmp_path / "pandas.py").write_text("raise SystemExit('imported')", encoding="utf-8")

    def run(code: str) -> int:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode

    assert run(CODE) == 0
    assert run(CODE.replace("processes.slim()", "")) == 1  # or this says nothing
