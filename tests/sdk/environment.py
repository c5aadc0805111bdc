"""Make a virtual environment with a Memphis SDK, which zakar itself does without, and print its Python.

    python tests/sdk/environment.py FOLDER [REQUIREMENTS [PACKAGE]]

REQUIREMENTS is a file beside this one, PACKAGE one more to install. In a folder that has them already, the environment
is only brought up to date.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path


def made(folder: Path, requirements: str = "requirements.txt", *packages: str) -> Path:
    """Return the Python of the environment in ``folder``. Raises CalledProcessError if pip cannot install."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(Path(__file__).with_name(requirements)), *packages], check=True, stdout=sys.stderr)
    return python


if __name__ == "__main__":
    print(made(Path(sys.argv[1]), *sys.argv[2:]))
