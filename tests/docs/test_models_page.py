"""The page of the models says the limits that each dataset's card says."""

from pathlib import Path

import pytest
from making import ROOT, simulated, small_island

from zakar import config
from zakar.models import scenario_files

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def limits(card: str, heading: str) -> str:
    """The text below a heading, up to the next one."""
    return card.partition(f"{heading}\n\n")[2].partition("\n#")[0].strip()


@pytest.mark.parametrize("model", ["classic", "island"])
def test_the_limits_of_a_model_are_those_of_its_datasets_cards(model: str, tmp_path: Path):
    folder = ROOT / "data" / "sample"
    if model == "island":
        folder = tmp_path / "island"
        simulated(folder, small_island(), source="island")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert limits(card, "## Known limits").startswith("- ")
    assert limits(PAGE, f"### Limits of {model}") == limits(card, "## Known limits")


def test_each_model_that_a_scenario_may_name_is_there():
    models = {config.read_toml(scenario_files.find(name))["model"] for name in scenario_files.names()}
    assert all(f"\n## {model}\n" in PAGE for model in models)
