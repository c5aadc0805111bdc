"""What travels with a dataset: its card, its Croissant metadata, the report of its checks."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from making import ROOT

from zakar import scenario
from zakar.check import record
from zakar.check.integrity import integrity
from zakar.check.realism import Check
from zakar.dataset import card, croissant, manifest, store
from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import ISLAND_MAP
from zakar.errors import ConfigError
from zakar.simulate import published_notes, published_settings

SCORES = [
    Check("21/threshold", "temperature threshold, AUC", 0.6812345, 0.6, 0.75, "science"),
    Check("22/posts", "post classifier | AUC", 0.9, 0.85, 0.95, "science"),
    Check("21/told", "learned from alerts, AUC", 0.8, float("-inf"), float("inf"), "participants' labels"),
    Check("23/drop", "drop of the AUC on held-out days", 0.2, 0, 0.05, "science"),
    Check("7/lapse", "lapse rate, K/km", -6.4, -7.5, -5.5, "science"),
]


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "dataset"))


def described(folder: Path, suite: str = "island", **changes: object) -> Manifest:
    """The manifest of a dataset whose scenario names a suite."""
    found = store.open_dataset(str(folder)).manifest
    return msgspec.structs.replace(found, scenario={**found.scenario, "checks": suite}, **changes)


def with_map(folder: Path) -> Manifest:
    """Put a map of one cell into a dataset; return what describes it."""
    place = folder / store.folder(ISLAND_MAP, held_out=False)
    place.mkdir()
    row = [
        0 if pa.types.is_integer(c.type) else 1.5 if pa.types.is_floating(c.type) else "sea" for c in ISLAND_MAP.columns
    ]
    rows = pa.table([[value] for value in row], ISLAND_MAP.schema)
    entry = store.entry(ISLAND_MAP, [store.write_part(place, 0, ISLAND_MAP, rows)])
    return described(folder, maps={ISLAND_MAP.name: entry})


# The card.


def test_every_column_stands_in_the_card_with_its_unit(folder: Path) -> None:
    described_with_map = with_map(folder)
    text = card.render(described_with_map)
    for table, entry in store.published(described_with_map):
        assert [column.name for column in table.columns] == list(entry.columns)
        assert all(f"| `{c.name}` | {c.type} | {c.unit} | {c.doc} |" in text for c in table.columns)
        assert f"  - config_name: {table.name}\n" in text


def test_every_setting_stands_in_the_card_with_the_comment_of_the_scenario_file(pristine: Path) -> None:
    text = (pristine / "README.md").read_text(encoding="utf-8")
    assert "| **fires** |  | a day's number is Poisson, its mean interpolated over the island's temperature |" in text
    assert "| `fires.rest_days` | 4 | days in which a cell cannot burn again |" in text
    assert "| `alerts.lag_days` | 3 |  |" in text


def test_the_limits_of_an_island_say_until_when_a_fires_area_is_known(pristine: Path) -> None:
    made = described(pristine)
    island = msgspec.structs.replace(made, scenario={**made.scenario, "model": "island"})
    assert "with the area and the last day known on\n  31 December;" in card.render(island)
    assert "31 December" not in card.render(made)


def test_a_note_with_a_bar_stays_in_its_cell(pristine: Path) -> None:
    text = card.render(described(pristine, notes={"fires.rest_days": "a | b"}))
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
    assert f'size_categories: ["{size}"]\n' in card.render(described(pristine, tables=tables))


def test_the_scores_of_baselines_appear_once_there_are_any(pristine: Path) -> None:
    made = described(pristine)
    before, after = card.render(made), card.render(made, SCORES)
    assert "run `zakar check`" in before
    assert "run `zakar check`" not in after
    assert "| temperature threshold, AUC | 0.681 | 0.6 to 0.75 |" in after
    assert "| post classifier \\| AUC | 0.900 | 0.85 to 0.95 |" in after
    assert "| learned from alerts, AUC | 0.800 | not judged |" in after
    assert "their labels are the alerts" in after
    assert "lapse" not in after
    assert "## Baselines" not in card.render(described(pristine, "classic"))


def test_scores_put_into_a_card_leave_it_as_it_would_be_rendered(pristine: Path) -> None:
    made = described(pristine)
    scored = card.with_scores(card.render(made), made, SCORES)
    assert scored == card.render(made, SCORES)
    assert card.with_scores(scored, made, SCORES) == scored
    assert card.with_scores(scored, made, []) == card.render(made)


@pytest.fixture(scope="module")
def rendered(pristine: Path) -> tuple[Manifest, str, str]:
    """What describes a dataset, its card, and its card with scores."""
    made = described(pristine)
    return made, card.render(made), card.render(made, SCORES)


@given(st.text(), st.text())
def test_what_people_write_into_a_card_stays(rendered: tuple[Manifest, str, str], before: str, after: str) -> None:
    made, plain, scored = rendered
    assume("<!--" not in before + after)
    assert card.with_scores(f"{before}\n{plain}\n{after}", made, SCORES) == f"{before}\n{scored}\n{after}"
    assert card.with_scores(before, made, SCORES) == before


# Notes.


@pytest.mark.parametrize("name", scenario.names())
def test_what_is_published_of_a_scenario_tells_nothing_of_what_is_private(name: str) -> None:
    path = scenario.find(name)
    settings = scenario.read(path)
    published = json.dumps([published_settings(settings), published_notes(settings, path)]).lower()
    assert [word for word in ("private", "truth", "held", "holdout", "secret") if word in published] == []


@pytest.mark.parametrize("name", scenario.names())
def test_what_is_published_of_a_scenario_is_a_scenario(name: str) -> None:
    settings = scenario.read(scenario.find(name))
    again = scenario.scenario_of(published_settings(settings), name)
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
    assert scenario.read_notes(path) == {
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

    made = with_map(folder)
    (folder / "croissant.json").write_bytes(croissant.render(made))
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    assert {node.ctx.issues.report() for node in dataset.metadata.nodes()} == {""}
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    names = [table.name for table, _ in store.published(made)]
    assert [each.uuid for each in dataset.metadata.record_sets] == ["splits", *names]
    for name in names:
        rows = pq.read_table(folder / "public" / name).to_pylist()
        expected = [
            {f"{name}/{key}": as_read(value) for key, value in {**row, "split": "train"}.items()} for row in rows
        ]
        assert list(dataset.records(name)) == expected
    assert [entry.levelname for entry in caplog.records if entry.levelno >= 30] == []


def as_read(value: object) -> object:
    """A value as mlcroissant has it: texts are bytes."""
    return value.encode() if isinstance(value, str) else value


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
    assert (pristine / "README.md").read_bytes() == card.render(made).encode()
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
    (folder / "README.md").write_text(card.render(made), encoding="utf-8", newline="\n")
    for checks in (SCORES, SCORES[:1], []):
        kept(folder, checks)
        assert (folder / "README.md").read_text(encoding="utf-8") == card.render(made, checks)


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
