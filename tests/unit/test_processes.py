import subprocess
import sys

CODE = """
import importlib.util
import sys
from zakar import processes
assert importlib.util.find_spec("pandas"), "without it this says nothing"
processes.slim()
import pyarrow as pa
assert pa.array(["a"]).to_pylist() == ["a"]
sys.exit("pandas" in sys.modules)
"""


def test_pyarrow_imports_no_pandas_where_there_is_one():
    assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == 0
