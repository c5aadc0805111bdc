"""What travels with a dataset: its card, its Croissant metadata, the report of its checks."""

import datetime
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from making import ROOT, simulated, small_island, tiny

from zakar.checks import results as record
from zakar.checks.check import Check
from zakar.checks.integrity import integrity
from zakar.dataset import card, croissant, layout, manifest, store, writer
from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import ISLAND_MAP
from zakar.errors import ConfigError
from zakar.models import registry, scenario_files
from zakar.simulation.description import published_notes, published_settings
from zakar.simulation.run import simulate

SCORES = [
    Check("21/threshold", "temperature threshold, AUC", 0.6812345, 0.6, 0.75, "science", baseline=True),
    Check("22/posts", "post classifier | AUC", 0.9, 0.85, 0.95, "science", baseline=True),
    Check(
        "21/told", "learned from alerts, AUC", 0.8, float("-inf"), float("inf"), "participants' labels", baseline=True
    ),
    Check("23/auc-drop", "drop of the AUC on held-out days", 0.2, 0, 0.05, "science"),
    Check("7/lapse", "lapse rate, K/km", -6.4, -7.5, -5.5, "science"),
]


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "dataset"))


def described(folder: Path, model: str = "island", about: dict[str, str] | None = None, **changes: object) -> Manifest:
    """The manifest of a dataset whose scenario has a model, and says something of the data."""
    found = store.open_dataset(str(folder)).manifest
    settings = {**found.scenario, "model": model, "about": {**found.scenario["about"], **(about or {})}}
    return msgspec.structs.replace(found, scenario=settings, **changes)


def with_map(folder: Path, about: dict[str, str] | None = None) -> Manifest:
    """Put a map of one cell into a dataset; return what describes it."""
    place = folder / layout.folder(ISLAND_MAP, held_out=False)
    place.mkdir()
    row = [
        0 if pa.types.is_integer(c.type) else 1.5 if pa.types.is_floating(c.type) else "sea" for c in ISLAND_MAP.columns
    ]
    rows = pa.table([[value] for value in row], ISLAND_MAP.schema)
    part, data = writer.encoded(ISLAND_MAP, 0, rows)
    (place / part.file.name).write_bytes(data)
    entry = writer.entry(ISLAND_MAP, [part])
    return described(folder, about=about, maps={ISLAND_MAP.name: entry})


WHOSE = {"creator": "Wildfire Week", "contact": "data@wildfire.example", "published": "2027-01-31"}


# The card.


def test_every_column_stands_in_the_card_with_its_unit(folder: Path) -> None:
    described_with_map = with_map(folder)
    text = registry.rendered(described_with_map)
    for table, entry in layout.published(described_with_map):
        assert [column.name for column in table.columns] == list(entry.columns)
        assert all(f"| `{c.name}` | {c.type} | {c.unit} | {c.doc} |" in text for c in table.columns)
        assert f"  - config_name: {table.name}\n" in text


def test_every_setting_stands_in_the_card_with_the_comment_of_the_scenario_file(pristine: Path) -> None:
    text = (pristine / "README.md").read_text(encoding="utf-8")
    assert "| **fires** |  | a day's number is Poisson, its mean interpolated over the island's temperature |" in text
    assert "| `fires.rest_days` | 4 | days in which a cell cannot burn again |" in text
    assert "| `alerts.lag_days` | 3 |  |" in text


def test_the_limits_of_an_island_say_until_when_a_fires_area_is_known(pristine: Path) -> None:
    assert "with the area and the last day known on\n  31 December;" in registry.rendered(described(pristine))
    assert "31 December" not in registry.rendered(described(pristine, "classic"))


def test_a_note_with_a_bar_stays_in_its_cell(pristine: Path) -> None:
    text = registry.rendered(described(pristine, notes={"fires.rest_days": "a | b"}))
    assert "| `fires.rest_days` | 4 | a \\| b |" in text


@pytest.mark.parametrize(
    ("records", "size"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (4_006_000, "1M<n<10M"),
        (10**12, "n>1T"),
    ],
)
def test_sizes_are_named_as_hubs_name_them(pristine: Path, records: int, size: str) -> None:
    entry = store.open_dataset(str(pristine)).manifest.tables["tweets"]
    none = msgspec.structs.replace(entry, rows=0)
    tables = {"tweets": msgspec.structs.replace(entry, rows=records), "temperature_readings": none, "fire_alerts": none}
    assert f'size_categories: ["{size}"]\n' in registry.rendered(described(pristine, tables=tables))


def test_the_scores_of_baselines_appear_once_there_are_any(pristine: Path) -> None:
    made = described(pristine)
    before, after = registry.rendered(made), registry.rendered(made, SCORES)
    assert "run `zakar check`" in before
    assert "run `zakar check`" not in after
    assert "| temperature threshold, AUC | 0.681 | 0.6 to 0.75 |" in after
    assert "| post classifier \\| AUC | 0.900 | 0.85 to 0.95 |" in after
    assert "| learned from alerts, AUC | 0.800 | not judged |" in after
    assert "their labels are the alerts" in after
    assert "lapse" not in after
    assert "## Baselines" not in registry.rendered(described(pristine, "classic"))


def test_scores_put_into_a_card_leave_it_as_it_would_be_rendered(pristine: Path) -> None:
    made = described(pristine)
    scored = card.with_scores(registry.rendered(made), made, SCORES)
    assert scored == registry.rendered(made, SCORES)
    assert card.with_scores(scored, made, SCORES) == scored
    assert card.with_scores(scored, made, []) == registry.rendered(made)


@pytest.fixture(scope="module")
def rendered(pristine: Path) -> tuple[Manifest, str, str]:
    """What describes a dataset, its card, and its card with scores."""
    made = described(pristine)
    return made, registry.rendered(made), registry.rendered(made, SCORES)


@given(st.text(), st.text())
def test_what_people_write_into_a_card_stays(rendered: tuple[Manifest, str, str], before: str, after: str) -> None:
    made, plain, scored = rendered
    assume("<!--" not in before + after)
    assert card.with_scores(f"{before}\n{plain}\n{after}", made, SCORES) == f"{before}\n{scored}\n{after}"
    assert card.with_scores(before, made, SCORES) == before


# Notes.


@pytest.mark.parametrize("name", scenario_files.names())
def test_what_is_published_of_a_scenario_tells_nothing_of_what_is_private(name: str) -> None:
    path = scenario_files.find(name)
    settings = registry.read(path)
    published = json.dumps([published_settings(settings), published_notes(settings, path)]).lower()
    assert [word for word in ("private", "truth", "held", "holdout", "secret") if word in published] == []


@pytest.mark.parametrize("name", scenario_files.names())
def test_what_is_published_of_a_scenario_is_a_scenario(name: str) -> None:
    settings = registry.read(scenario_files.find(name))
    again = registry.scenario_of(published_settings(settings), name)
    assert published_settings(again) == published_settings(settings)


def test_notes_are_the_comments_behind_keys_and_sections(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        "# Not a note.\n"
        "seed = 1  # of everything\n\n"
        '[fires]   ## how they burn\nname = "a # b"  #  in words  \nplain = 2\n# Nor this.\n'
        "many = [1,  # nor this\n  2]  # two of them\nsure = true # really\nsize.least = 1 # ha\n",
        encoding="utf-8",
    )
    assert scenario_files.read_notes(path) == {
        "seed": "of everything",
        "fires": "how they burn",
        "fires.name": "in words",
        "fires.many": "two of them",
        "fires.sure": "really",
        "fires.size.least": "ha",
    }


# Croissant.


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlcroissant's, of what it uses of pandas and rdflib
def test_mlcroissant_reads_every_row_and_has_nothing_to_remark(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlcroissant

    made = with_map(folder, WHOSE)
    (folder / "croissant.json").write_bytes(croissant.render(made))
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    assert {node.ctx.issues.report() for node in dataset.metadata.nodes()} == {""}
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    names = [table.name for table, _ in layout.published(made)]
    assert [each.uuid for each in dataset.metadata.record_sets] == ["splits", *names]
    for name in names:
        rows = pq.read_table(folder / "public" / name).to_pylist()
        expected = [
            {f"{name}/{key}": as_read(value) for key, value in {**row, "split": "public"}.items()} for row in rows
        ]
        assert list(dataset.records(name)) == expected
    assert [entry.levelname for entry in caplog.records if entry.levelno >= 30] == []


def as_read(value: object) -> object:
    """A value as mlcroissant has it: texts are bytes."""
    return value.encode() if isinstance(value, str) else value


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlcroissant's, of what it uses of pandas and rdflib
@pytest.mark.parametrize("model", ["classic", "island"])
def test_mlcroissant_filters_each_table_by_its_split_and_gets_all_rows_of_that_table_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, model: str
) -> None:
    import mlcroissant

    small = small_island(calendar={"days": 20, "holdout_days": 5})
    settings = small if model == "island" else tiny(calendar={"days": 40})
    dataset = simulated(tmp_path / "dataset", settings, block_days=7)
    counts = {table.name: entry.rows for table, entry in layout.published(dataset.manifest)}
    assert all(len(entry.files) > 1 for entry in dataset.manifest.tables.values())
    for name, number in counts.items():
        fresh = mlcroissant.Dataset(tmp_path / "dataset" / "croissant.json")
        rows = list(fresh.records(name, filters={f"{name}/split": "public"}))
        assert len(rows) == number
        assert {row[f"{name}/split"] for row in rows} <= {b"public"}
        assert rows == list(mlcroissant.Dataset(tmp_path / "dataset" / "croissant.json").records(name))
        with pytest.raises(ValueError, match="train"):
            list(fresh.records(name, filters={f"{name}/split": "train"}))
    remarks = [entry.getMessage() for entry in caplog.records if entry.levelno >= 30]
    assert [remark for remark in remarks if "datePublished" not in remark] == []  # nobody said when


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_held_out_days_that_are_handed_out_are_filtered_as_a_test_split(folder: Path) -> None:
    import mlcroissant

    made = described(folder, about=WHOSE)
    shutil.rmtree(folder / "public" / "fire_alerts")
    kept = {name: entry for name, entry in made.tables.items() if name != "fire_alerts"}
    made = msgspec.structs.replace(made, tables=kept, withheld=("fire_alerts",))
    (folder / "croissant.json").write_bytes(croissant.render(made))
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    assert [record["splits/url"] for record in dataset.records("splits")] == ["cr:TestSplit"]
    assert len(list(dataset.records("tweets", filters={"tweets/split": "public"}))) == made.tables["tweets"].rows


def test_the_card_of_handed_out_days_has_a_test_split_and_says_what_is_withheld(pristine: Path) -> None:
    text = registry.rendered(described(pristine, first_day=2558, withheld=("fire_alerts",)))
    assert "split: test" in text
    assert "split: train" not in text
    assert "One, `test`: all days, 2,558 to 2,606." in text
    assert "To be predicted: `fire_alerts` are withheld." in text
    assert 'split="test"' in text


def split_pattern(metadata: dict[str, Any], table: str) -> str:
    records = next(each for each in metadata["recordSet"] if each["@id"] == table)
    return next(f for f in records["field"] if f["name"] == "split")["source"]["transform"]["regex"]


def test_the_split_of_a_table_names_its_own_files_and_no_others(folder: Path) -> None:
    metadata = json.loads(croissant.render(with_map(folder)))
    files = [each["contentUrl"] for each in metadata["distribution"] if each["@type"] == "cr:FileObject"]
    for table in ("tweets", "temperature_readings", "fire_alerts", "island_map"):
        pattern = re.compile(split_pattern(metadata, table))
        matching = [name for name in files if pattern.match(name)]
        assert matching == [name for name in files if name.startswith(f"public/{table}/")]
        assert {pattern.match(name)[1] for name in matching} == {"public"}


# Whose data it is.


def front_matter(text: str) -> dict[str, str]:
    lines = text.split("---\n")[1].splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith(" ") and ": " in line)


@pytest.mark.parametrize(
    ("about", "matter", "address"),
    [
        ({}, {"license": "cc-by-4.0"}, "https://creativecommons.org/licenses/by/4.0/"),
        ({"licence": "CC0-1.0"}, {"license": "cc0-1.0"}, "https://spdx.org/licenses/CC0-1.0.html"),
        ({"licence": "ODbL-1.0"}, {"license": "odbl"}, "https://spdx.org/licenses/ODbL-1.0.html"),
        (
            {"licence": "EUPL-1.2"},
            {
                "license": "other",
                "license_name": '"EUPL-1.2"',
                "license_link": '"https://spdx.org/licenses/EUPL-1.2.html"',
            },
            "https://spdx.org/licenses/EUPL-1.2.html",
        ),
        (
            {"licence": "https://event.example/rules"},
            {
                "license": "other",
                "license_name": '"https://event.example/rules"',
                "license_link": '"https://event.example/rules"',
            },
            "https://event.example/rules",
        ),
        (
            {"licence": "for the course only"},
            {"license": "other", "license_name": '"for the course only"'},
            "for the course only",
        ),
    ],
)
def test_the_licence_is_the_scenarios_on_the_card_and_in_croissant(
    pristine: Path, about: dict[str, str], matter: dict[str, str], address: str
) -> None:
    made = described(pristine, about=about)
    found = front_matter(registry.rendered(made))
    assert {key: value for key, value in found.items() if key.startswith("license")} == matter
    assert json.loads(croissant.render(made))["license"] == address
    licence = about.get("licence", "CC-BY-4.0")
    assert f"## Licence\n\n{licence}" in registry.rendered(made)


def test_nobody_is_named_as_creator_and_no_date_is_made_up(pristine: Path) -> None:
    made = described(pristine)
    metadata = json.loads(croissant.render(made))
    assert metadata.keys().isdisjoint({"creator", "datePublished"})
    assert "Made available by" not in registry.rendered(made)
    assert "name zakar as" not in registry.rendered(made)


@pytest.mark.parametrize(
    ("contact", "kind"),
    [("data@wildfire.example", "email"), ("https://wildfire.example", "url"), ("room 12", "description"), ("", None)],
)
def test_creator_contact_version_and_date_are_the_scenarios(pristine: Path, contact: str, kind: str | None) -> None:
    about = {"creator": "Wildfire Week", "contact": contact, "published": "2027-01-31", "version": "2.1.0"}
    made = described(pristine, about=about)
    metadata, text = json.loads(croissant.render(made)), registry.rendered(made)
    expected = {"@type": "sc:Organization", "name": "Wildfire Week", **({kind: contact} if kind else {})}
    assert metadata["creator"] == expected
    assert metadata["datePublished"] == "2027-01-31"
    assert metadata["version"] == f"2.1.0+{made.fingerprint[:12]}"
    assert metadata["citeAs"].startswith("Wildfire Week: Zakar in seconds, simulated by zakar ")
    assert "Made available by Wildfire Week." in text
    assert "name Wildfire Week as its source" in text
    assert (f"Contact: {contact}" in text) == bool(contact)


def test_zakar_is_named_with_its_version_as_the_software_behind_it(pristine: Path) -> None:
    made = described(pristine)
    version = made.software["zakar"]
    assert f"Simulated by zakar {version}, faker " in registry.rendered(made)
    assert f"Simulated by zakar {version}" in json.loads(croissant.render(made))["rai:dataCollection"]


@pytest.mark.parametrize(
    ("own", "said", "language"), [("en", "", "en"), ("de_AT", "", "de"), ("en", "pt-BR", "pt-BR"), ("no", "", "no")]
)
def test_the_language_is_that_of_the_phrase_table_or_what_the_scenario_says(
    tmp_path: Path, own: str, said: str, language: str
) -> None:
    table = (ROOT / "configs" / "phrases" / "en.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(table.replace('language = "en"', f'language = "{own}"'), encoding="utf-8")
    text = scenario_files.find("tiny").read_text(encoding="utf-8").replace('phrases = "en"', 'phrases = "own.toml"')
    source = tmp_path / "mine.toml"
    source.write_text(f'{text}\n[about]\nlanguage = "{said}"\n'.replace("days = 120", "days = 9"), encoding="utf-8")
    with ThreadPoolExecutor(1) as executor:
        made = simulate(registry.read(source), source, tmp_path / "dataset", executor)
    assert made.language == language
    matter = front_matter((tmp_path / "dataset" / "README.md").read_text(encoding="utf-8"))
    assert matter["language"] == f'["{language[:2]}"]'
    assert matter.get("language_bcp47") == (f'["{language}"]' if "-" in language else None)
    assert json.loads((tmp_path / "dataset" / "croissant.json").read_bytes())["inLanguage"] == language


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('creator = "a\\nb"', "`about.creator`"),
        ("creator = 7", "`about.creator`"),
        ('licence = ""', "`about.licence`"),
        ('version = "one"', "three numbers, as 1.0.0 is"),
        ('published = "soon"', "a date, as 2016-01-01 is"),
        ('language = "English"', "a code, as en is"),
        ('author = "me"', "`about.author` is not a known key"),
    ],
)
def test_what_cannot_be_said_of_data_is_refused_by_key(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"{scenario_files.find('tiny').read_text(encoding='utf-8')}\n[about]\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(said)):
        registry.read(path)


# Notes that are true of any values.

ADELAIDE = {
    "calendar": {"first_date": datetime.date(2031, 7, 1), "days": 500, "holdout_days": 0},
    "grid": {"width": 20, "height": 10},
    "terrain": {"latitude": -35.0, "people": 9000, "settlements": 5, "land_share": 0.4},
    "climate": {"mean_c": 12.0, "warmest_day": 200, "blocking_months": [7, 8]},
    "sensors": {"sensors_per_cell": 2.0},
}


@pytest.fixture(scope="module")
def of_adelaide() -> dict[str, str]:
    return published_notes(small_island(**ADELAIDE), scenario_files.find("island"))


def test_notes_say_what_the_values_come_to(of_adelaide: dict[str, str]) -> None:
    here = {path: note.rpartition("here ")[2] for path, note in of_adelaide.items() if re.search("(^|; )here ", note)}
    assert here == {
        "calendar.days": "1.4 years, to 11 November 2032",
        "grid.height": "200 cells in all",
        "terrain.latitude": "35 S, day lengths of the fire danger for south of 30 S (DMC) and south of 20 S (DC); "
        "southern seasons: all are turned by half a year",
        "terrain.land_share": "about 80 square kilometres",
        "terrain.people": "about 110 a square kilometre of land",
        "climate": "in the south July has what is said of January",
        "climate.warmest_day": "18 January",
        "climate.wet_fraction": "in the south July has what is said of January",
        "climate.wet_day_mm": "in the south July has what is said of January",
        "climate.blocking_months": "January, February",
        "sensors.sensors_per_cell": "about 160 in all",
    }


@pytest.mark.parametrize(
    ("latitude", "words"),
    [
        (37.0, "37 N, day lengths of the fire danger for north of 30 N (DMC) and north of 20 N (DC)"),
        (15.5, "15.5 N, day lengths of the fire danger for 10 to 30 N (DMC) and 20 S to 20 N (DC)"),
    ],
)
def test_the_card_says_which_day_lengths_a_latitude_has(latitude: float, words: str) -> None:
    notes = published_notes(small_island(terrain={"latitude": latitude}), scenario_files.find("island"))
    assert notes["terrain.latitude"].endswith(f"; here {words}")


# What a note says of a number is true of any: none counts years, cells, sensors or shares that follow from others.
@pytest.mark.parametrize("name", scenario_files.names())
@pytest.mark.parametrize(
    "told",
    [
        *(r"seven|three years", r"\b650\b", r"\b450\b", r"\b2549\b", "(^|; )here ", "August", "about 130", "95 %"),
        *("^the 900 readings", "configs/phrases/", r"\(D\)", r"rank\^-1", "Mediterranean$"),
    ],
)
def test_no_comment_of_a_shipped_scenario_states_what_follows_from_values(name: str, told: str) -> None:
    notes = scenario_files.read_notes(scenario_files.find(name))
    wrong = {path: note for path, note in notes.items() if re.search(told, note)}
    assert {path for path in wrong if "18.5 is usual" not in wrong[path]} == set()
    description = registry.read(scenario_files.find(name)).description
    assert not re.search(r"[0-9]+ x|even years|[0-9]+ days|Mediterranean", description)


def test_the_card_and_croissant_count_days_years_cells_and_records_themselves(tmp_path: Path) -> None:
    settings = small_island(**ADELAIDE | {"calendar": {**ADELAIDE["calendar"], "days": 40}})
    dataset = simulated(tmp_path / "dataset", settings, source="island")
    text = (tmp_path / "dataset" / "README.md").read_text(encoding="utf-8")
    counted = f"40 days (0.1 years) on 20 x 10 cells, {dataset.manifest.records:,} records."
    assert counted in text
    assert counted in json.loads((tmp_path / "dataset" / "croissant.json").read_bytes())["description"]
    assert "southern seasons" in text
    for false in ("seven years", "30 x 30", "36-38 N |", "650", "5 August", "2,557"):
        assert false not in text.lower()


def test_croissant_has_the_size_and_checksum_of_every_published_file(folder: Path) -> None:
    metadata = json.loads(croissant.render(with_map(folder)))
    objects = {each["contentUrl"]: each for each in metadata["distribution"] if each["@type"] == "cr:FileObject"}
    assert sorted(objects) == sorted(p.relative_to(folder).as_posix() for p in (folder / "public").rglob("*.parquet"))
    for name, told in objects.items():
        content = (folder / name).read_bytes()
        assert told["sha256"] == hashlib.sha256(content).hexdigest()
        assert told["contentSize"] == f"{len(content)} B"


def test_the_same_manifest_makes_the_same_bytes(pristine: Path) -> None:
    made = manifest.decode((pristine / "manifest.json").read_bytes(), "manifest.json")
    assert (pristine / "README.md").read_bytes() == registry.rendered(made).encode()
    assert (pristine / "croissant.json").read_bytes() == croissant.render(made)


# The report of checks.


def kept(folder: Path, checks: Sequence[Check]) -> dict[str, dict[str, object]]:
    """Keep what checks found; return the reports that are there then."""
    record.keep(store.open_dataset(str(folder)), checks)
    return {p.relative_to(folder).as_posix(): json.loads(p.read_bytes()) for p in sorted(folder.rglob("checks.json"))}


def test_the_published_report_does_not_tell_that_days_are_held_out(folder: Path) -> None:
    found = kept(folder, SCORES)
    assert [row["id"] for row in found["private/checks.json"]["checks"]] == [check.id for check in SCORES]
    assert [row["id"] for row in found["checks.json"]["checks"]] == ["21/threshold", "22/posts", "21/told", "7/lapse"]
    assert (found["private/checks.json"]["ok"], found["checks.json"]["ok"]) == (False, True)
    assert b"held" not in (folder / "checks.json").read_bytes()


def test_a_report_without_a_private_part_makes_none(folder: Path) -> None:
    shutil.rmtree(folder / "private")
    assert set(kept(folder, SCORES)) == {"checks.json"}
    assert not (folder / "private").exists()


def test_a_report_says_of_which_content_it_is(folder: Path) -> None:
    fingerprint = store.open_dataset(str(folder)).manifest.fingerprint
    assert {report["fingerprint"] for report in kept(folder, SCORES).values()} == {fingerprint}


def test_keeping_a_report_puts_its_scores_into_the_card(folder: Path) -> None:
    made = described(folder)
    (folder / "manifest.json").write_bytes(manifest.encode(made))
    (folder / "README.md").write_text(registry.rendered(made), encoding="utf-8", newline="\n")
    for checks in (SCORES, SCORES[:1], []):
        kept(folder, checks)
        assert (folder / "README.md").read_text(encoding="utf-8") == registry.rendered(made, checks)


def test_a_report_that_cannot_be_kept_is_refused_with_the_name_of_the_file(folder: Path) -> None:
    (folder / "checks.json").mkdir()
    with pytest.raises(ConfigError, match=r"checks\.json: cannot be written"):
        kept(folder, SCORES)


def test_a_report_is_not_written_into_an_object_store(folder: Path) -> None:
    dataset = store.open_dataset(str(folder))
    remote = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
    with pytest.raises(ConfigError, match="object store"):
        record.keep(store.Dataset(remote, "", dataset.manifest), SCORES)


def test_check_by_command_keeps_the_report_that_it_prints(folder: Path) -> None:
    command = [sys.executable, "-m", "zakar", "check", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert (done.stderr, json.loads(done.stdout)) == ("", json.loads((folder / "checks.json").read_bytes()))


def test_check_by_command_of_a_folder_that_cannot_be_written_says_so_and_goes_on(folder: Path) -> None:
    (folder / "checks.json").mkdir()
    command = [sys.executable, "-m", "zakar", "check", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert json.loads(done.stdout)["ok"] is True
    assert len(done.stderr.splitlines()) == 1


def test_checking_the_committed_sample_changes_nothing(tmp_path: Path) -> None:
    sample = ROOT / "data" / "sample"
    folder = Path(shutil.copytree(sample, tmp_path / "sample"))
    dataset = store.open_dataset(str(folder))
    record.keep(dataset, integrity(dataset))
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert path.read_bytes() == (sample / path.relative_to(folder)).read_bytes()
