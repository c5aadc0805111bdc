import importlib.util
import subprocess
import sys

CODE = """
import sys
from zakar import processes
processes.slim()
import pyarrow as pa
assert pa.array(["a"]).to_pylist() == ["a"]
sys.exit("pandas" in sys.modules)
"""


def test_pyarrow_imports_no_pandas_where_there_is_one():
    assert importlib.util.find_spec("pandas") is not None, "without it this test says nothing"
    assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == 0
