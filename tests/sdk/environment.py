"""Make a virtual environment with the Memphis SDK, which zakar itself does without, and print its Python.

    python tests/sdk/environment.py FOLDER

In a folder that has it already, it is only brought up to date.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def made(folder: Path) -> Path:
    """Return the Python of the environment in ``folder``. Raises CalledProcessError if pip cannot install."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    subprocess.run(pip, check=True, stdout=sys.stderr)
    return python


if __name__ == "__main__":
    print(made(Path(sys.argv[1])))
