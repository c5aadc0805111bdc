"""What leaves of a dataset is what may leave: read again, compared, and without a private byte."""

import base64
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from making import edit_manifest, rewrite, small_island

from zakar.checks import results as record
from zakar.checks.check import Check
from zakar.dataset import croissant, hubs, manifest, store
from zakar.dataset.layout import Split
from zakar.errors import ConfigError, MismatchError
from zakar.models import registry, scenario_files
from zakar.publish import Publication, publish
from zakar.report.page import report, verdict_of
from zakar.seeds import secret_root
from zakar.simulation.keys import kept_key
from zakar.simulation.run import simulate

DAY = datetime.date(2027, 1, 31)
KEY = b"0123456789abcdef" * 2
MARK = b"MARKED-PRIVATE-BYTES"
TOPS = {"README.md", "croissant.json", "manifest.json", "dataset-metadata.json"}


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small island with held-out days, some alerts among them."""
    out = tmp_path_factory.mktemp("publish") / "island"
    with ThreadPoolExecutor(1) as executor:
        simulate(small_island(), scenario_files.find("island"), out, executor, key=KEY)
    assert store.open_dataset(str(out), Split.HOLDOUT).manifest.tables["fire_alerts"].rows > 0
    return out


@pytest.fixture
def folder(island: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(island, tmp_path / "island"))


def published(source: Path, out: Path, split: Split = Split.TRAIN, **options: Any) -> Publication:
    return publish(source, split, out, "ana", **{"day": DAY} | options)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def zakar(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "zakar", *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=folder)
    assert "Traceback" not in done.stderr
    return done


# What leaves.


def test_the_released_days_leave_as_they_are_and_nothing_else_does(island: Path, tmp_path: Path) -> None:
    done = published(island, tmp_path / "out")
    public = {name: content for name, content in contents(island).items() if not name.startswith("private/")}
    made = contents(tmp_path / "out")
    assert made.pop("dataset-metadata.json")
    dated = json.loads(made.pop("croissant.json"))
    assert dated.pop("datePublished") == "2027-01-31"
    assert dated == json.loads(public.pop("croissant.json"))
    assert made == public
    assert done.files == len(public) + 2
    assert store.open_dataset(str(tmp_path / "out")).manifest.fingerprint == done.manifest.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_dataset_that_holds_nothing_out_is_published_too(pristine: Path, tmp_path: Path) -> None:
    assert published(pristine, tmp_path / "out").manifest.records > 0
    with pytest.raises(ConfigError, match="no days are held out here"):
        published(pristine, tmp_path / "other", Split.HOLDOUT)


def test_held_out_days_are_handed_out_without_alerts_truth_or_key(island: Path, tmp_path: Path) -> None:
    done = published(island, tmp_path / "out", Split.HOLDOUT)
    made = contents(tmp_path / "out")
    tables = {name.split("/")[1] for name in made if name.startswith("public/")}
    assert tables == {"tweets", "temperature_readings", "island_map", "island_places"}
    assert {name for name in made if "/" not in name} == TOPS
    whole = store.open_dataset(str(island), Split.HOLDOUT)
    handed = store.open_dataset(str(tmp_path / "out"))
    assert handed.manifest.withheld == ("fire_alerts",)
    assert (handed.manifest.first_day, handed.manifest.days) == (61, 26)
    assert done.manifest.records == sum(e.rows for n, e in whole.manifest.tables.items() if n != "fire_alerts")
    for table in handed.tables:
        assert store.read(handed, table).equals(store.read(whole, table))
    assert handed.manifest.fingerprint == whole.manifest.fingerprint


def test_nothing_in_a_hand_out_tells_of_the_answers(island: Path, tmp_path: Path) -> None:
    """Not their number, size, or digests: whoever guesses them must not learn that he is right."""
    published(island, tmp_path / "out", Split.HOLDOUT)
    private = json.loads((island / "private" / "manifest.json").read_bytes())
    entry = private["holdout"]["fire_alerts"]
    hidden = [entry["sha256"], private["holdout_fingerprint"], *(file["sha256"] for file in entry["files"])]
    for name, content in contents(tmp_path / "out").items():
        assert not [digest for digest in hidden if digest.encode() in content], name
        assert "notification_day" not in (pq.read_schema(tmp_path / "out" / name).names if "parquet" in name else [])
    values = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert "fire_alerts" not in values["tables"]
    assert "holdout_days" not in values["scenario"]["calendar"]


@pytest.mark.parametrize(
    ("words", "told"), [([], None), (["--date", "2027-01-31"], "2027-01-31"), (["--date", "31.1.2027"], "")]
)
def test_the_metadata_say_the_day_of_publication(
    pristine: Path, tmp_path: Path, words: list[str], told: str | None
) -> None:
    """Today's, or the one that is given; the rest is the same byte by byte."""
    before = datetime.datetime.now().astimezone().date()
    done = zakar(tmp_path, "publish", str(pristine), "--out", "out", *words)
    after = datetime.datetime.now().astimezone().date()
    assert done.returncode == (2 if told == "" else 0), done.stderr
    if done.returncode == 0:
        said = json.loads((tmp_path / "out" / "croissant.json").read_bytes()).pop("datePublished")
        assert said in ({told} if told else {str(before), str(after)})
        undated = {name: content for name, content in contents(pristine).items() if not name.startswith("private/")}
        made = contents(tmp_path / "out")
        assert {name for name in undated if made[name] != undated[name]} == {"croissant.json"}


def test_the_day_that_the_scenario_says_goes_first(folder: Path, tmp_path: Path) -> None:
    edit_manifest(folder, lambda values: values["scenario"]["about"].update(published="2026-05-01"))
    with pytest.raises(ConfigError, match="--date 2027-01-31: the scenario says .* published on 2026-05-01"):
        published(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    published(folder, tmp_path / "out", day=None)
    assert json.loads((tmp_path / "out" / "croissant.json").read_bytes())["datePublished"] == "2026-05-01"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlcroissant's, of what it uses of pandas and rdflib
def test_mlcroissant_filters_the_test_split_of_a_hand_out(island: Path, tmp_path: Path, caplog: Any) -> None:
    """What a data scientist does with it: posts and readings of the held-out days, to the last row, and no alerts."""
    import mlcroissant

    edit = {"creator": "Wildfire Week"}
    whose = Path(shutil.copytree(island, tmp_path / "island"))
    edit_manifest(whose, lambda values: values["scenario"].setdefault("about", {}).update(edit))
    published(whose, tmp_path / "out", Split.HOLDOUT)
    whole = store.open_dataset(str(island), Split.HOLDOUT)
    dataset = mlcroissant.Dataset(tmp_path / "out" / "croissant.json")
    assert [record["splits/url"] for record in dataset.records("splits")] == ["cr:TestSplit"]
    for table in (table for table in whole.tables if table.name != "fire_alerts"):
        fresh = mlcroissant.Dataset(tmp_path / "out" / "croissant.json")
        rows = list(fresh.records(table.name, filters={f"{table.name}/split": "public"}))
        days = [row[f"{table.name}/day"] for row in rows]
        assert days == store.read(whole, table)["day"].to_pylist()
        assert (min(days), max(days)) == (61, 86)
    assert "fire_alerts" not in [record.uuid for record in dataset.metadata.record_sets]
    assert [entry.getMessage() for entry in caplog.records if entry.levelno >= 30] == []  # the date is there


@pytest.mark.slow
def test_a_hand_out_is_a_dataset_of_its_own_for_every_command(island: Path, tmp_path: Path) -> None:
    assert zakar(tmp_path, "publish", str(island), "--split", "holdout", "--out", "out").returncode == 0
    checked = zakar(tmp_path, "check", "out", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["ok"]) == (0, True)
    drawn = zakar(tmp_path, "report", "out", "--out", "page.html", "--json")
    assert drawn.returncode == 0, drawn.stderr
    assert "fires" not in json.loads(drawn.stdout)["sections"]
    assert "fire alerts are to be predicted" in (tmp_path / "page.html").read_text(encoding="utf-8")
    again = zakar(tmp_path, "publish", "out", "--out", "again", "--json")
    assert json.loads(again.stdout)["withheld"] == ["fire_alerts"]
    assert contents(tmp_path / "again") == contents(tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "- split: test" in text
    assert "withheld" in text


# What does not.


def poisoned(folder: Path, *, keep: tuple[str, ...] = ()) -> None:
    for path in (folder / "private").rglob("*"):
        if path.is_file() and path.relative_to(folder / "private").as_posix() not in keep:
            path.write_bytes(MARK + os.urandom(40))


def test_whatever_makes_something_public_takes_no_private_byte(island: Path, folder: Path, tmp_path: Path) -> None:
    """With a private part that is nothing but marked bytes, all of it comes out the same."""
    published(island, tmp_path / "clean")
    page = report(store.open_dataset(str(island))).html
    poisoned(folder)
    published(folder, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")
    assert report(store.open_dataset(str(folder))).html == page
    found = store.open_dataset(str(folder)).manifest
    assert registry.rendered(found).encode() == (island / "README.md").read_bytes()
    assert croissant.render(found) == (island / "croissant.json").read_bytes()
    shutil.rmtree(folder / "private")
    published(folder, tmp_path / "without")
    assert contents(tmp_path / "without") == contents(tmp_path / "clean")


def test_a_hand_out_takes_posts_and_readings_alone_of_the_private_part(folder: Path, tmp_path: Path) -> None:
    names = [p.relative_to(folder / "private").as_posix() for p in (folder / "private").rglob("*.parquet")]
    published(folder, tmp_path / "clean", Split.HOLDOUT)
    poisoned(folder, keep=("manifest.json", *(n for n in names if n.startswith(("holdout/t", "holdout/fire")))))
    published(folder, tmp_path / "out", Split.HOLDOUT)
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")
    assert not [name for name, content in contents(tmp_path / "out").items() if MARK in content]


@pytest.mark.parametrize(
    "secret",
    [
        KEY.decode(),
        KEY.decode().upper(),
        str(secret_root(KEY)),
        f"{secret_root(KEY):064x}",
        base64.b64encode(bytes.fromhex(KEY.decode())).decode(),
    ],
    ids=["the key", "in capitals", "its root", "its root in hexadecimal", "in base 64"],
)
def test_the_key_in_any_form_keeps_everything_from_leaving(folder: Path, tmp_path: Path, secret: str) -> None:
    readme = folder / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8") + secret, encoding="utf-8")
    with pytest.raises(MismatchError, match=r"README\.md would give away the key") as caught:
        published(folder, tmp_path / "out")
    assert secret not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_private_files_and_digests_under_public_names_are_found(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "private" / "manifest.json", folder / "README.md")
    with pytest.raises(MismatchError, match=r"README\.md would give away"):
        published(folder, tmp_path / "out")
    digest = json.loads((folder / "private" / "manifest.json").read_bytes())["holdout"]["fire_alerts"]["sha256"]
    (folder / "README.md").write_text(f"# Mine\n\nsha256 {digest}\n", encoding="utf-8")
    with pytest.raises(MismatchError, match="the digest of something private"):
        published(folder, tmp_path / "out")
    (folder / "README.md").write_text(f"# Mine\n\nsee {folder}\n", encoding="utf-8")
    with pytest.raises(MismatchError, match="a folder of this machine"):
        published(folder, tmp_path / "out")
    (folder / "README.md").write_text("# Mine\n\nedited by hand\n", encoding="utf-8")
    published(folder, tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text(encoding="utf-8") == "# Mine\n\nedited by hand\n"


def test_a_held_out_file_in_a_released_ones_place_does_not_leave(folder: Path, tmp_path: Path) -> None:
    """Content of its own, so that even a manifest that was made to fit does not help it out."""
    part = "tweets/part-00000.parquet"
    shutil.copy(folder / "private" / "holdout" / part, folder / "public" / part)
    rewrite(folder, "tweets", 0, lambda rows: rows)
    with pytest.raises(MismatchError):
        published(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_checks_of_held_out_days_do_not_leave(folder: Path, tmp_path: Path) -> None:
    dataset = store.open_dataset(str(folder))
    checks = [Check("21/a", "a score", 0.7, 0, 1, "x"), Check("23/auc-drop", "on held-out days", 0.01, 0, 1, "x")]
    record.keep(dataset, checks)
    published(folder, tmp_path / "out")
    assert [c["id"] for c in json.loads((tmp_path / "out" / "checks.json").read_bytes())["checks"]] == ["21/a"]
    shutil.copy(folder / "private" / "checks.json", folder / "checks.json")
    with pytest.raises(MismatchError, match=r"checks\.json: tells of held-out days"):
        published(folder, tmp_path / "other")
    (folder / "checks.json").write_text("{}", encoding="utf-8")
    published(folder, tmp_path / "third")
    assert not (tmp_path / "third" / "checks.json").exists()


def test_what_does_not_apply_is_published_as_such(folder: Path, tmp_path: Path) -> None:
    dataset = store.open_dataset(str(folder))
    record.keep(dataset, [Check("9/hot", "hot days", 90.0, 1, 2, "x", settings=("climate",), why="climate is other")])
    published(folder, tmp_path / "out")
    left, here = (json.loads((place / "checks.json").read_bytes()) for place in (tmp_path / "out", folder))
    assert left == here
    (check,) = verdict_of(store.open_dataset(str(tmp_path / "out"))).checks
    assert (check.applies, check.why) == (False, "climate is other")


def test_a_card_that_was_written_into_is_told_with_how_many_lines_are_not_zakars(folder: Path, tmp_path: Path) -> None:
    record.keep(store.open_dataset(str(folder)), [Check("21/a", "a score", 0.7, 0, 1, "x")])  # its own scores are
    assert published(folder, tmp_path / "clean").own_lines == 0
    card_file = folder / "README.md"
    card_file.write_text(
        card_file.read_text(encoding="utf-8") + "\nA fire starts on day 61 in cell 3, 4.\n", encoding="utf-8"
    )
    assert published(folder, tmp_path / "other", Split.HOLDOUT).own_lines == 0  # that one is made anew
    done = zakar(tmp_path, "publish", str(folder), "--out", "out")
    assert done.returncode == 0
    assert "leaves as it is, with 2 lines that are not zakar's: read them once" in done.stderr
    assert json.loads(zakar(tmp_path, "publish", str(folder), "--out", "json", "--json").stdout)["own_lines"] == 2


def test_a_card_that_is_no_text_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "README.md").write_bytes(b"# Insel \xfc\n")
    with pytest.raises(ConfigError, match=r"README\.md: not UTF-8"):
        published(folder, tmp_path / "out")


@pytest.mark.parametrize("name", ["a\nzakar: done\x1b[31m"] if os.name == "posix" else [])
def test_a_name_with_ends_of_lines_is_told_in_one(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    done = zakar(tmp_path, "publish", str(folder), "--out", "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert r"a\nzakar: done\x1b[31m" in done.stderr


def test_what_pandas_notes_in_a_file_does_not_leave(folder: Path, tmp_path: Path) -> None:
    rewrite(folder, "tweets", 0, lambda rows: rows.replace_schema_metadata({"pandas": '{"creator": "ana"}'}))

    def fit(values: dict[str, Any]) -> None:
        values["tables"]["tweets"]["files"][0]["sha256"] = ""

    edit_manifest(folder, fit)
    with pytest.raises(MismatchError, match="says more than its rows"):
        published(folder, tmp_path / "out")


def test_an_older_manifest_leaves_without_the_folder_of_its_phrases(pristine: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pristine, tmp_path / "dataset"))
    edit_manifest(folder, lambda values: values["scenario"]["tweets"].update(phrases="/home/ana/words.toml"))
    published(folder, tmp_path / "out")
    assert b"/home/ana" not in b"".join(contents(tmp_path / "out").values())


# Surprises, and what is in the way.


@pytest.mark.parametrize(
    "name",
    [
        *(
            "notes.txt",
            "key",
            "truth/fires.parquet",
            "public/tweets/part-00009.parquet",
            "public/fires/part-00000.parquet",
        ),
        *(".git/config", "public/.DS_Store", "private.bak/key", "holdout/tweets/part-00000.parquet"),
    ],
)
@pytest.mark.parametrize("split", Split)
def test_a_folder_with_something_unknown_is_refused_by_its_name(
    folder: Path, tmp_path: Path, name: str, split: Split
) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match="what is no part of a dataset") as caught:
        published(folder, tmp_path / "out", split)
    assert any(part in str(caught.value) for part in (name, name.split("/")[0]))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["README.md", "public/tweets/part-00000.parquet", "public/tweets", "public"])
def test_a_link_is_refused_by_its_name(folder: Path, tmp_path: Path, name: str) -> None:
    path = folder / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere", target_is_directory=(tmp_path / "elsewhere").is_dir())
    with pytest.raises(ConfigError, match=re.escape(f"{name}, a link")):
        published(folder, tmp_path / "out")


def test_a_link_among_held_out_files_is_refused_but_the_private_part_may_be_one(folder: Path, tmp_path: Path) -> None:
    (folder / "private").rename(tmp_path / "safe")
    (folder / "private").symlink_to(tmp_path / "safe", target_is_directory=True)
    published(folder, tmp_path / "out", Split.HOLDOUT)
    part = tmp_path / "safe" / "holdout" / "tweets" / "part-00000.parquet"
    part.rename(tmp_path / "part")
    part.symlink_to(tmp_path / "part")
    with pytest.raises(ConfigError, match=r"part-00000\.parquet, a link"):
        published(folder, tmp_path / "other", Split.HOLDOUT)


@pytest.mark.parametrize("where", [".", "public", "new", "..", "private/out"])
def test_a_dataset_is_not_published_into_or_over_itself(folder: Path, where: str) -> None:
    before = contents(folder)
    with pytest.raises(ConfigError):
        published(folder, folder / where, overwrite=True)
    assert contents(folder) == before


def test_overwriting_replaces_what_was_published_and_never_a_private_part(folder: Path, tmp_path: Path) -> None:
    published(folder, tmp_path / "out")
    with pytest.raises(ConfigError, match="give --overwrite"):
        published(folder, tmp_path / "out")
    published(folder, tmp_path / "out", Split.HOLDOUT, overwrite=True)
    assert store.open_dataset(str(tmp_path / "out")).manifest.withheld
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    with pytest.raises(ConfigError, match="has a private part"):
        published(folder, other, overwrite=True)
    assert kept_key(other) == KEY
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        published(folder, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "notes.txt").is_file()


def test_damaged_content_is_told_and_does_not_leave(folder: Path, tmp_path: Path) -> None:
    rewrite(folder, "tweets", 0, lambda rows: rows)  # another file of the same rows: its bytes are not those listed
    edit_manifest(folder, lambda values: values["tables"]["tweets"].update(sha256="0" * 64))
    with pytest.raises(MismatchError):
        published(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["island"]


# Hubs.


@pytest.mark.parametrize("title", ["X", "A title", "An island " * 20, "  spaced\n out  "])
@pytest.mark.parametrize("split", Split)
def test_the_metadata_for_kaggle_keeps_to_its_limits(island: Path, title: str, split: Split) -> None:
    found = store.open_dataset(str(island), split).manifest
    found = manifest.handed_out(found) if split is Split.HOLDOUT else found
    import msgspec

    found = msgspec.structs.replace(found, title=title, name="Zürich & 北" * 9)
    said = json.loads(hubs.kaggle(found, registry.rendered(found), "ana"))
    owner, slug = said["id"].split("/")
    assert owner == "ana"
    assert re.fullmatch("[a-z0-9-]{6,50}", slug)
    assert 6 <= len(said["title"]) <= 50
    assert 20 <= len(said["subtitle"]) <= 80
    assert said["licenses"] == [{"name": "CC-BY-4.0"}]
    assert said["description"].startswith("#")
    assert "pretty_name" not in said["description"]


@pytest.mark.slow
def test_the_command_says_how_to_put_it_on_hubs(island: Path, tmp_path: Path) -> None:
    done = zakar(tmp_path, "publish", str(island), "--out", "out")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert "Hugging Face: hf upload YOUR-NAME/zakar-island out --repo-type dataset" in lines
    assert "Kaggle: kaggle datasets create -p out --dir-mode zip" in lines
    named = zakar(tmp_path, "publish", str(island), "--out", "out", "--overwrite", "--owner", "ana", "--json")
    said = json.loads(named.stdout)
    assert said["uploads"]["Hugging Face"].startswith("hf upload ana/zakar-island ")
    assert json.loads((tmp_path / "out" / "dataset-metadata.json").read_bytes())["id"] == "ana/zakar-island"
    wrong = zakar(tmp_path, "publish", str(island), "--out", "new", "--owner", "ana/x")
    assert (wrong.returncode, "--owner" in wrong.stderr, (tmp_path / "new").exists()) == (2, True, False)


_LOADED = """
import json, sys
import datasets
from huggingface_hub import DatasetCard

folder, split = sys.argv[1:]
card = DatasetCard.load(f"{folder}/README.md").data
rows = {each["config_name"]: datasets.load_dataset(folder, each["config_name"], split=split).num_rows
        for each in card.to_dict()["configs"]}
print(json.dumps({"licence": card.license, "rows": rows}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("split", Split)
def test_hugging_faces_own_library_reads_card_and_every_table(island: Path, tmp_path: Path, split: Split) -> None:
    done = published(island, tmp_path / "out", split)
    read = subprocess.run(
        [sys.executable, "-c", _LOADED, str(tmp_path / "out"), "test" if split is Split.HOLDOUT else "train"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")},
    )
    expected = {name: entry.rows for name, entry in {**done.manifest.tables, **done.manifest.maps}.items()}
    assert json.loads(read.stdout.splitlines()[-1]) == {"licence": "cc-by-4.0", "rows": expected}
