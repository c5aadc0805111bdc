"""The list of commands is read without what commands need, and says of each what the command says of itself."""

import subprocess
import sys

import pytest

from zakar.cli.main import COMMANDS, imported

HEAVY = {"faker", "jinja2", "matplotlib", "nats", "numpy", "pyarrow", "scipy"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_a_command_says_of_itself(name: str):
    sentence = COMMANDS[name][2]
    assert imported(name).help.partition("\n\n")[0].replace("\n", " ") == sentence


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str):
    script = f"import sys; sys.argv[1:] = [{option!r}]; from zakar.__main__ import main\n"
    script += (
        f"try: main()\nexcept SystemExit as end: assert end.code == 0\nsys.exit(str({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert done.stderr.strip() == "set()"
