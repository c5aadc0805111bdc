"""Draw docs/pictures/ from real runs: `zakar simulate island`, and the lesson on latency of `zakar lab run`."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from zakar.checks.settings import scenario_of
from zakar.dataset import store
from zakar.lab import pictures as lab_pictures
from zakar.lab.run import kept
from zakar.page import canvas
from zakar.report import figures as pictures
from zakar.report import measures as digest

PICTURES = Path(__file__).parent / "pictures"
ROOT_RULE = re.compile(r":root\s*\{([^}]*)\}")


def main() -> None:
    """Make the runs in a temporary folder, and write the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        zakar("simulate", "island", "--out", f"{folder}/island")
        draw_island(f"{folder}/island")
        zakar("lab", "run", "latency", "--out", f"{folder}/lab", "--quick")
        draw_latency(Path(folder) / "lab")


def zakar(*words: str) -> None:
    """Run a command to its end."""
    subprocess.run([sys.executable, "-m", "zakar", *words], check=True)


def draw_island(where: str) -> None:
    """Draw the island's map, and what is posted about fires that escape."""
    dataset = store.open_dataset(where)
    scenario = scenario_of(dataset)
    ground = digest.island_map(dataset, scenario.grid)
    assert ground is not None
    true = digest.fires(dataset, scenario.grid)
    about = digest.topics(dataset, true)
    with canvas.styled():
        write("island", pictures.relief(ground))
        write("burst", pictures.burst_by_topic(about.names, about.by_lag, int(np.count_nonzero(true.escaped))))


def draw_latency(folder: Path) -> None:
    """Draw how fast producers are that wait for each acknowledgement, the longer the way."""
    (record,) = kept(folder)
    with canvas.styled():
        write("latency", lab_pictures.picture(record.lesson.graphs[0], "latency"))


def write(name: str, svg: str) -> None:
    """Write a picture of a page as a file of its own, with the page's colours, light or dark."""
    page = (Path(canvas.__file__).parent / "base.html").read_text(encoding="utf-8")
    light, dark, *_ = ROOT_RULE.findall(page)
    style = (
        f"svg {{{light} font-family: system-ui, sans-serif; }} @media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}"
    )
    words = re.sub(r"\s+", " ", f"<style>{style}</style>")
    whole = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    opened, _, rest = whole.partition(">")
    (PICTURES / f"{name}.svg").write_text(f"{opened}>{words}{rest}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
