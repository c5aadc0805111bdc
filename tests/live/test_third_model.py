"""A third model goes all the way that a dataset goes; two entries make it known, and no line of the package changes."""

import json
from collections.abc import Callable
from pathlib import Path

import dunes
import pytest

from zakar.broker.server import Server
from zakar.checks import registry as suites
from zakar.models import registry

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODELS, "dunes", dunes.DUNES)
    monkeypatch.setitem(registry.MODELS, "oasis", dunes.OASIS)
    monkeypatch.setitem(suites.SUITES, "dunes", dunes.SUITE)


def answer(command: Command, *words: str, code: int = 0) -> dict:
    exit_code, out, err = command(*words, "--json")
    assert exit_code == code, err
    return json.loads(out)


def test_a_third_model_is_simulated_checked_drawn_published_loaded_and_verified(
    command: Command, broker: Server, tmp_path: Path
):
    out, source = tmp_path / "erg", str(dunes.SOURCE)
    rows = {"tweets": 40, "temperature_readings": 480, "fire_alerts": 40}
    planned = answer(command, "simulate", source, "--out", str(out), "--dry-run")
    assert {name: table["rows"] for name, table in planned["tables"].items()} == rows
    assert planned["holdout_days"] == 10
    made = answer(command, "simulate", source, "--out", str(out), "--workers", "2")
    assert {name: table["rows"] for name, table in made["tables"].items()} == rows
    assert {name: table["rows"] for name, table in made["holdout"].items()} == {
        "tweets": 10, "temperature_readings": 120, "fire_alerts": 10,
    }  # fmt: skip
    private = json.loads((out / "private" / "manifest.json").read_text(encoding="utf-8"))
    assert (private["truth"]["noon"]["rows"], private["holdout_truth"]["noon"]["rows"]) == (40, 10)

    card = (out / "README.md").read_text(encoding="utf-8")
    assert "## Known limits\n\n- Nothing burns but sand.\n" in card
    assert "| `heat.noon_f` | 100 | what a thermometer in the shade would show; here 38 degrees Celsius |" in card
    assert "## Baselines" not in card

    checks = {check["id"]: check for check in answer(command, "check", str(out))["checks"]}
    assert {"noon/mean", "noon/departure", "content/tweets", "content/fingerprint"} <= set(checks)
    assert all(check["ok"] and check["applies"] for check in checks.values())

    report = tmp_path / "report.html"
    drawn = answer(command, "report", str(out), "--out", str(report))
    assert {"seasons", "fires", "posts", "checks"} <= set(drawn["sections"])
    assert "days, 2024-03-01 to 2024-04-09" in report.read_text(encoding="utf-8")

    answer(command, "publish", str(out), "--out", str(tmp_path / "public"))
    answer(command, "publish", str(out), "--split", "holdout", "--out", str(tmp_path / "later"))
    for dataset in (str(out), str(tmp_path / "later")):
        loaded = answer(command, "load", dataset, "--server", broker.url, "--recreate")
        assert loaded["records"] == (560 if dataset == str(out) else 130)
        assert answer(command, "verify", dataset, "--server", broker.url)["ok"]


def test_a_model_with_words_and_a_map_and_without_dates_or_suite_goes_the_same_way(
    command: Command, broker: Server, tmp_path: Path
):
    text = dunes.SOURCE.read_text(encoding="utf-8").replace('"dunes"', '"oasis"', 1).replace('"dunes"', '"none"')
    source, out = tmp_path / "oasis.toml", tmp_path / "oasis"
    source.write_text(text.replace("holdout_days = 10\n", "") + '\n[tweets]\nphrases = "en"\n', encoding="utf-8")
    made = answer(command, "simulate", str(source), "--out", str(out), "--days", "30")
    assert (made["records"], made["key"], made["holdout"]) == (420, None, {})
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["language"], len(manifest["phrases"])) == ("en", 64)
    assert manifest["maps"]["island_places"]["rows"] == 3
    assert "## Known limits" not in (out / "README.md").read_text(encoding="utf-8")
    ids = {check["id"] for check in answer(command, "check", str(out))["checks"]}
    assert ids == {f"content/{name}" for name in (*manifest["tables"], "island_places", "fingerprint")}
    answer(command, "report", str(out), "--out", str(tmp_path / "report.html"))
    assert answer(command, "load", str(out), "--server", broker.url)["records"] == 420
    assert answer(command, "verify", str(out), "--server", broker.url)["ok"]


def test_a_figure_of_other_settings_is_not_judged_and_a_wrong_one_fails(command: Command, tmp_path: Path):
    source, out = tmp_path / "hot.toml", tmp_path / "hot"
    source.write_text(dunes.SOURCE.read_text(encoding="utf-8").replace("= 100", "= 140"), encoding="utf-8")
    answer(command, "simulate", str(source), "--out", str(out))
    checks = {check["id"]: check for check in answer(command, "check", str(out))["checks"]}
    assert checks["noon/mean"]["why"] == "found for dunes.toml; other here: heat.noon_f"
    path = out / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"noon_f": 140', '"noon_f": 100'), encoding="utf-8")
    failed = {check["id"] for check in answer(command, "check", str(out), code=1)["checks"] if not check["ok"]}
    assert failed == {"noon/mean", "noon/departure"}


def test_its_tables_are_shown_and_a_wrong_name_is_told_all_models(command: Command, tmp_path: Path):
    assert "truth/dunes/noon" in answer(command, "schema")
    source = tmp_path / "mine.toml"
    text = dunes.SOURCE.read_text(encoding="utf-8")
    source.write_text(text.replace('model = "dunes"', 'model = "dune"'), encoding="utf-8")
    code, _, err = command("simulate", str(source), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "one of `classic`, `island`, `dunes`, `oasis`; did you mean `dunes`?" in " ".join(err.split())
    source.write_text(text.replace('checks = "dunes"', 'checks = "island"'), encoding="utf-8")
    code, _, err = command("simulate", str(source), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "`checks` is `island`; must be one of `dunes`, `none`" in " ".join(err.split())
