"""What an island is called: in posts, hashtags and links, and the table of its places."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from making import edit_manifest, simulated, small_island, tiny

from zakar import config
from zakar.checks.integrity import integrity
from zakar.dataset import content, layout, manifest, store
from zakar.dataset.schema import ISLAND_MAP, ISLAND_PLACES
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError
from zakar.models import registry, scenario_files
from zakar.models.island import text as chatter
from zakar.models.scenario_files import island_name
from zakar.models.shared import wording
from zakar.models.shared.settings import Scenario
from zakar.seeds import Seeds
from zakar.simulation.run import simulate


def called(settings: Scenario, name: str, **about: str) -> Any:
    return msgspec.structs.replace(settings, name=name, about=msgspec.structs.replace(settings.about, **about))


@pytest.fixture(scope="module")
def tavira(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    settings = called(small_island(calendar={"holdout_days": 0}), "tavira")
    return simulated(tmp_path_factory.mktemp("tavira") / "dataset", settings)


def texts(dataset: Dataset) -> list[str]:
    """All that is written in a dataset's public tables."""
    found: list[str] = []
    for table, _ in layout.published(dataset.manifest):
        rows = pq.read_table(f"{dataset.root}/{layout.folder(table, held_out=False).as_posix()}")
        found += [text for column in table.columns if column.type == "string" for text in rows[column.name].to_pylist()]
    return found


def test_another_name_leaves_no_zakar_in_what_is_written(tavira: Dataset) -> None:
    written = texts(tavira)
    assert [text for text in written if re.search(r"zakar|#zak|porto zak|zkr\.", text.lower())] == []
    assert sum("#tavira" in text.lower() for text in written) > 100
    assert any("https://tvr.example/" in text.lower() for text in written)


def test_the_same_goes_for_the_island_of_2023_and_a_name_of_several_words(tmp_path: Path) -> None:
    written = texts(simulated(tmp_path / "dataset", called(tiny(calendar={"days": 30}), "costa-verde-2")))
    assert [text for text in written if "zakar" in text.lower()] == []
    assert sum("#costaverde2" in text.lower() for text in written) > 20


def test_an_island_may_be_called_otherwise_than_its_scenario(tmp_path: Path) -> None:
    settings = called(tiny(calendar={"days": 30}), "run-7", island="Ilha de São João")
    written = texts(simulated(tmp_path / "dataset", settings))
    assert sum("#ilhadesãojoão" in text.lower() for text in written) > 20
    assert [text for text in written if "#run7" in text.lower()] == []


@pytest.mark.parametrize("name", scenario_files.names())
def test_the_islands_that_come_with_zakar_are_called_zakar(name: str) -> None:
    assert island_name(registry.read(scenario_files.find(name))) == "Zakar"


@pytest.mark.parametrize("name", ["{tag}", "a|b", "(a", "7up", "x" * 41, "a\nb"])
def test_a_name_that_no_phrase_could_hold_is_refused(tmp_path: Path, name: str) -> None:
    text = scenario_files.find("tiny").read_text(encoding="utf-8") + f"\n[about]\nisland = {name!r}\n".replace("'", '"')
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"`about.island`.*must be a name of up to 40 characters, a letter first"):
        registry.read(path)


def test_a_phrase_table_may_name_the_island_anywhere(tmp_path: Path) -> None:
    source = (config.folder() / "phrases" / "island-en.toml").read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    changed = source.replace('"{name}", "{name}{number}"', '"{name}Of{island}"').replace(
        "[cores]\nordinary = [\n", '[cores]\nordinary = [\n  "greetings from {island} and its {tag}",\n'
    )
    assert changed.count("{island}") == source.count("{island}") + 2
    path.write_text(changed, encoding="utf-8")
    found = chatter.load(path, small_island().tweets, Seeds(1), "Vis")
    assert any("greetings from Vis and its vis" in text for text in found.segments.to_pylist())
    assert "{name}OfVis" in found.handles.people


@pytest.mark.parametrize("table", ["en", "island-en"])
def test_a_slot_that_cannot_be_filled_in_a_hashtag_is_named(tmp_path: Path, table: str) -> None:
    source = (config.folder() / "phrases" / f"{table}.toml").read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(source.replace('"#{tag}news"', '"#{tga}news"'), encoding="utf-8")
    settings = tiny() if table == "en" else small_island()
    with pytest.raises(ConfigError, match=r"own.toml: phrase '#\{tga\}news' has a slot that cannot be filled here"):
        registry.vocabulary(settings, path)


@pytest.mark.parametrize(
    ("name", "tag", "domain"),
    [
        ("Zakar", "zakar", "zkr"),
        ("Oia", "oia", "oia"),
        ("Rhode Island", "rhodeisland", "rhdslnd"),
        ("Ωία", "ωία", "isle"),
    ],
)
def test_tags_and_domains_are_made_of_the_name(name: str, tag: str, domain: str) -> None:
    assert (wording.tag_of(name), wording.domain_of(name)) == (tag, domain)


# Places.


def test_the_places_are_those_that_posts_name_where_people_live(tavira: Dataset) -> None:
    rows = pq.read_table(f"{tavira.root}/public/island_places").to_pylist()
    cells = {
        (row["geospatial_x"], row["geospatial_y"]): row
        for row in pq.read_table(f"{tavira.root}/public/island_map").to_pylist()
    }
    assert len(rows) == 6
    assert [list(row) for row in rows] == [["geospatial_x", "geospatial_y", "name", "residents"]] * 6
    where = [(row["geospatial_x"], row["geospatial_y"]) for row in rows]
    assert where == sorted(where)
    assert len({row["name"] for row in rows}) == 6
    assert all(cells[place]["land"] and cells[place]["fuel"] == "urban" and cells[place]["road"] for place in where)
    assert sum(row["residents"] for row in rows) == pytest.approx(0.9 * 5000, abs=6)
    posts = " ".join(pq.read_table(f"{tavira.root}/public/tweets")["tweet"].to_pylist()).lower()
    assert all(row["name"].lower() in posts for row in rows)
    # No other settlement is named.
    table = config.read_toml(config.folder() / "phrases" / "island-en.toml")
    others = {name.replace("{Short}", "Tav") for name in table["places"]} - {row["name"] for row in rows}
    assert [name for name in others if f"near {name.lower()}" in posts] == []


def test_people_name_the_place_that_is_nearest(tavira: Dataset) -> None:
    places = pq.read_table(f"{tavira.root}/public/island_places").to_pylist()
    posts = pq.read_table(f"{tavira.root}/public/tweets").to_pylist()
    near = []
    for post in posts:
        named = [place for place in places if f"near {place['name'].lower()}" in post["tweet"].lower()]
        if len(named) == 1 and not re.match(r"rt @", post["tweet"].lower()):
            km = [
                np.hypot(place["geospatial_x"] - post["geospatial_x"], place["geospatial_y"] - post["geospatial_y"])
                for place in places
            ]
            near.append(places[int(np.argmin(km))] is named[0])
    assert len(near) > 50
    assert np.mean(near) > 0.8  # the others are misplaced, or speak of a fire elsewhere


def test_places_are_published_checked_and_outside_the_fingerprint(tavira: Dataset, tmp_path: Path) -> None:
    described = tavira.manifest
    assert set(described.maps) == {ISLAND_MAP.name, ISLAND_PLACES.name}
    digests = {name: entry.sha256 for name, entry in described.tables.items()}
    assert described.fingerprint == content.fingerprint(digests)
    assert {check.id: check.ok for check in integrity(tavira)}["content/island_places"]
    assert "island_places" in (Path(tavira.root) / "README.md").read_text(encoding="utf-8")
    assert b"island_places" in (Path(tavira.root) / "croissant.json").read_bytes()


def test_changed_places_are_found_by_check(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    simulated(folder, small_island(calendar={"days": 20, "holdout_days": 0}))
    path = folder / "public" / "island_places" / "part-00000.parquet"
    rows = pq.read_table(path)
    names = rows["name"].to_pylist()
    pq.write_table(rows.set_column(2, rows.schema.field("name"), [names[::-1]]), path)

    def adjust(values: dict[str, Any]) -> None:
        values["maps"]["island_places"]["files"][0]["bytes"] = path.stat().st_size

    edit_manifest(folder, adjust)
    failed = [check.id for check in integrity(store.open_dataset(str(folder))) if not check.ok]
    assert failed == ["content/island_places"]


def test_a_dataset_without_places_can_still_be_opened_and_checked(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    simulated(folder, small_island(calendar={"days": 20, "holdout_days": 0}))
    edit_manifest(folder, lambda values: values["maps"].pop("island_places"))
    assert all(check.ok for check in integrity(store.open_dataset(str(folder))))


def test_schema_shows_the_places(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zakar", "schema"], capture_output=True, encoding="utf-8", check=True, cwd=tmp_path
    )
    assert "island_places, in public/island_places, no station: " in done.stdout


def test_without_an_own_name_the_shipped_text_stays_as_it_was(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        made = simulate(
            registry.read(scenario_files.find("tiny")), scenario_files.find("tiny"), tmp_path / "tiny", executor
        )
    committed = manifest.decode((Path(__file__).parents[2] / "data/sample/manifest.json").read_bytes(), "sample")
    assert made.fingerprint == committed.fingerprint
