# What contributors type and .ci/run runs. `just` alone lists it; `just test -k keys` hands options on to pytest.

set windows-shell := ["powershell.exe", "-NoLogo", "-Command"]

python := if os() == "windows" { "py" } else { "python3" }
bin := if os() == "windows" { ".venv/Scripts" } else { ".venv/bin" }

# List the recipes.
default:
    @just --list --unsorted

# Make `.venv` with all that contributing takes, this command too.
setup:
    {{ python }} -m venv .venv
    {{ bin }}/python -m pip install --quiet --upgrade pip
    {{ bin }}/python -m pip install --quiet --editable '.[lab,examples]' --group dev

# Bring the code into the house's format.
format:
    {{ bin }}/ruff format .
    {{ bin }}/ruff check --fix .

# Check format, style, types and who imports whom.
lint:
    {{ bin }}/ruff format --check .
    {{ bin }}/ruff check .
    {{ bin }}/mypy
    {{ bin }}/lint-imports --no-logo

# Run the tests that take a few minutes.
test *options:
    {{ bin }}/pytest -n 2 {{ options }}

# Run the other tests: killed servers, whole sizes, SDKs, browsers. They mostly wait, so three at a time.
slow *options:
    {{ bin }}/pytest -m slow -n 3 -o faulthandler_timeout=300 {{ options }}

# Say which lines the tests never reach.
coverage *options:
    {{ bin }}/pytest -n 2 --cov=zakar --cov-report=term-missing:skip-covered {{ options }}

# Make the site of the documentation, build/site, without network; any warning is an error.
docs:
    {{ bin }}/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --conf-dir docs --doctree-dir build/doctrees . build/site

# Write the reference of the commands anew.
reference:
    {{ bin }}/python docs/reference.py

# Draw the README's pictures from real runs, in a minute.
pictures:
    {{ bin }}/python docs/draw.py
