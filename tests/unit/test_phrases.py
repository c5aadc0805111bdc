import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from making import tiny

from zakar import config
from zakar.errors import ConfigError
from zakar.models import scenario_files
from zakar.models.classic import phrases
from zakar.models.classic.phrases import FIELDS, TOPICS, compose
from zakar.models.shared import phrase_files
from zakar.seeds import Seeds
from zakar.simulation.run import simulate

FILLERS = "\n".join(f'  "{" ".join(["la"] * n)}",' for n in range(3, 13))
OWN = f"""
language = "en"
[slots]
fruit = ["a mango", "a plum"]
[cores]
ordinary = ["we ate {{fruit}} with {{name}} at home"]
figurative = ["that match was fire I tell you"]
fire = ["the hill behind {{place}} burns right now"]
[fillers]
lines = [
{FILLERS}
]
[closers]
hashtags = ["#zakar"]
emoji = ["🌊"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, old: str, new: str) -> str:
    """Return what is said of a phrase table once ``old`` is replaced by ``new``."""
    assert OWN.count(old) == 1
    path = write(folder, OWN.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        phrases.load(path, Seeds(1))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


def test_the_shipped_table_loads() -> None:
    assert phrases.load(config.folder() / "phrases" / "en.toml", Seeds(1)).topic_count.min() > 50


def test_the_same_seed_makes_the_same_table_and_another_makes_another(tmp_path: Path) -> None:
    path = write(tmp_path, OWN)
    copy = tmp_path / "copy.toml"
    copy.write_text(OWN, encoding="utf-8")
    assert phrases.load(path, Seeds(1)).segments == phrases.load(copy, Seeds(1)).segments
    assert phrases.load(path, Seeds(1)).handles != phrases.load(path, Seeds(2)).handles


@pytest.mark.parametrize(
    "phrase",
    ["we met {nobody} on the way", "we met {} on the way", "we met {0} on the way", "we met {name.first} on the way"],
)
def test_an_unknown_slot_is_named_with_its_phrase(tmp_path: Path, phrase: str) -> None:
    message = refusal(tmp_path, "that match was fire I tell you", phrase)
    assert phrase in message
    assert "unknown slot" in message


@pytest.mark.parametrize("phrase", ["we met {name on the way", "we met name} on the way"])
def test_an_unbalanced_brace_is_named_with_its_phrase(tmp_path: Path, phrase: str) -> None:
    assert phrase in refusal(tmp_path, "that match was fire I tell you", phrase)


@pytest.mark.parametrize("phrase", ["we met {name!r} here", "we met {name:>20} here", "we met {{name}} today"])
def test_a_brace_that_would_be_left_in_the_posts_is_refused(tmp_path: Path, phrase: str) -> None:
    assert phrase in refusal(tmp_path, "that match was fire I tell you", phrase)


@pytest.mark.parametrize("size", [3, 7, 12])
def test_a_length_without_a_filler_is_named(tmp_path: Path, size: int) -> None:
    line = f'"{" ".join(["la"] * size)}",'
    assert f"no phrase of {size} words" in refusal(tmp_path, line, "")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('language = "en"', 'langauge = "en"', "`langauge` is not a known key; did you mean `language`?"),
        ("fire = [", "fires = [", "`cores.fires` is not a known key; did you mean `fire`?"),
        ('hashtags = ["#zakar"]', "hashtags = []", "closers.hashtags"),
        ('emoji = ["🌊"]', "", "`closers.emoji` is missing"),
        ('language = "en"', "language = 3", "language"),
        ('fruit = ["a mango", "a plum"]', 'fruit = "a mango"', "slots"),
        ("[closers]", "[closers", "not valid TOML"),
    ],
)
def test_a_broken_table_is_told_with_its_file_and_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert named in refusal(tmp_path, old, new)


@pytest.mark.parametrize("language", ["xx", "no-such-language", ""])
def test_a_language_that_faker_does_not_know_is_refused(tmp_path: Path, language: str) -> None:
    assert "language" in refusal(tmp_path, 'language = "en"', f'language = "{language}"')


def test_a_missing_table_is_told_with_the_places_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "none.toml"))):
        phrase_files.find("none.toml", tmp_path)
    with pytest.raises(ConfigError, match=r"tweets\.phrases.*`klingon`"):
        phrase_files.find("klingon", tmp_path)


def test_a_table_deleted_after_it_was_found_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.toml"
    with pytest.raises(ConfigError, match=re.escape(f"{path}: cannot be read")):
        phrases.load(path, Seeds(1))


def test_an_edited_table_is_read_again(tmp_path: Path) -> None:
    before = phrases.load(write(tmp_path, OWN), Seeds(1)).segments
    after = phrases.load(write(tmp_path, OWN.replace("that match", "that concert")), Seeds(1)).segments
    assert before != after


def test_a_post_is_the_same_alone_and_among_others(tmp_path: Path) -> None:
    table = phrases.load(write(tmp_path, OWN), Seeds(1))
    draw = np.random.default_rng(1)
    topic, draws = draw.integers(0, len(TOPICS), 60), draw.random((FIELDS, 60))
    together = compose(table, topic, draws, 12, 40).to_pylist()
    alone = [compose(table, topic[i : i + 1], draws[:, i : i + 1], 12, 40)[0].as_py() for i in range(60)]
    assert alone == together


def test_no_posts_are_an_empty_array(tmp_path: Path) -> None:
    table = phrases.load(write(tmp_path, OWN), Seeds(1))
    assert compose(table, np.empty(0, np.int64), np.empty((FIELDS, 0)), 12, 40).to_pylist() == []


def test_a_table_beside_the_scenario_is_used(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    write(tmp_path, OWN)
    settings = tiny(calendar={"days": 40}, tweets={"phrases": "mine.toml"})
    (tmp_path / "scenario.toml").write_text(scenario_files.find("tiny").read_text(encoding="utf-8"), encoding="utf-8")
    simulate(settings, tmp_path / "scenario.toml", tmp_path / "out", one_worker)
    texts = pq.read_table(tmp_path / "out" / "public" / "tweets")["tweet"].to_pylist()
    said = {"a mango", "a plum", "that match", "the hill", "#zakar", "🌊"}
    assert {word for word in said if any(word in text for text in texts)} == said
    assert {tag for text in texts for tag in re.findall(r"#\w+", text)} == {"#zakar"}


def test_a_table_that_cannot_be_used_is_told_before_anything_is_written(
    tmp_path: Path, one_worker: ThreadPoolExecutor
) -> None:
    write(tmp_path, OWN.replace("{place}", "{palace}"))
    settings = tiny(tweets={"phrases": "mine.toml"})
    with pytest.raises(ConfigError, match="unknown slot {palace}"):
        simulate(settings, tmp_path / "scenario.toml", tmp_path / "out", one_worker)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml"]
