"""The site of the documentation: built with warnings as errors, and read without any network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from browser import browser
from terminal import ROOT

pytestmark = pytest.mark.slow  # they need what the group `docs` brings, and a browser


def built(source: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    """Build the site as `just docs` does, from the pages of a folder."""
    recipe = (ROOT / "justfile").read_text(encoding="utf-8")
    (options,) = re.findall(r"/sphinx-build (.*) \. build/site$", recipe, re.MULTILINE)
    command = [sys.executable, "-m", "sphinx", *options.split(), ".", str(out)]
    return subprocess.run(command, cwd=source, capture_output=True, encoding="utf-8", check=False)


def copied(folder: Path) -> Path:
    """Copy what a build reads."""
    for name in ("docs", "benchmarks", "configs", "examples", "findings", "data/sample", "zakar/lab"):
        shutil.copytree(ROOT / name, folder / name)
    for path in [*ROOT.glob("*.md"), *ROOT.glob("LICENSE*")]:
        shutil.copy(path, folder)
    return folder


def test_a_reader_of_the_site_fetches_nothing_from_elsewhere_and_no_page_complains(tmp_path: Path):
    done = built(copied(tmp_path / "source"), tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    with browser(tmp_path / "browser") as page:
        for path in sorted((tmp_path / "site").rglob("*.html")):
            page.open(path)
        page.open(tmp_path / "site" / "index.html")
        page.until("!!document.querySelector('h1')")
        assert page.complaints == []
        assert {url for url in page.asked if not url.startswith(("file:", "data:"))} == set()


@pytest.mark.parametrize(
    ("page", "words", "complaint"),
    [
        ("README.md", "[a page](docs/nowhere.md)", "docs/nowhere.md"),
        ("docs/loading.md", "[a heading](memphis.md#no-such-heading)", "no-such-heading"),
        ("docs/more.md", "# A page that no navigation leads to", "docs/more.md"),
    ],
)
def test_a_build_fails_with_the_name_of_what_leads_nowhere(tmp_path: Path, page: str, words: str, complaint: str):
    source = copied(tmp_path / "source")
    with (source / page).open("a", encoding="utf-8") as file:
        file.write(f"\n{words}\n")
    done = built(source, tmp_path / "site")
    assert done.returncode != 0
    assert complaint in done.stderr
