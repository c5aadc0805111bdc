"""What is a path and what an address is told apart in one place, and no argument's secret is ever shown."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar import location
from zakar.cli.main import main
from zakar.errors import ConfigError
from zakar.models import registry

ADDRESSES = [
    "s3://AKIAKEY:SECRET@bucket/data",
    "S3://AKIAKEY:SECRET@bucket/data",
    "s3:/AKIAKEY:SECRET@bucket/data",
    "gs://SECRET@bucket/data",
    "gcs://SECRET@bucket/data",
    "abfs://SECRET@account.example/data",
    "abfss://fs:SECRET@account.example/data",
    "az://SECRET@account/data",
    "wasb://SECRET@account.example/data",
    "hdfs:SECRET",
    "http://ana:SECRET@host/data",
    "https://host/data?X-Amz-Signature=SECRET",
    "https://account.example/data?sv=2026&sig=SECRET",
    "HTTPS://host/data#SECRET",
    "bucket.s3.example/data?X-Amz-Credential=AKIAKEY&X-Amz-Signature=SECRET",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET",
    "ftp://ana:SECRET@host:21/data",
    "sftp://ana:SECRET@host/data",
    "file:///data/SECRET",
    "file:/data/SECRET",
    "hf://datasets/SECRET",
    "hf:SECRET",
    "r2://AKIAKEY:SECRET@bucket",
    "oci+x://SECRET@bucket",
    "memory://SECRET",
    "memory:SECRET",
    "data:;base64,SECRET",
    "ana:SECRET@host:/data",
    "ana@host:SECRET",
    "  s3://AKIAKEY:SECRET@bucket/data",
    "'s3://AKIAKEY:SECRET@bucket/data'",
    "s3%3A%2F%2FAKIAKEY:SECRET@bucket",
    "data/s3://AKIAKEY:SECRET@bucket",
    "://SECRET",
]
PATHS = [
    *("data/tiny", "tiny", ".", "..", "/data/tiny", "~/data", "a b", "-", "a@b", "data/a@b:c", "a:b", "data/2023:tiny"),
    *(r"C:\data\tiny", "C:/data/tiny", "c:tiny", r"C:a@b", r"\\server\share\tiny", r"\\?\C:\data", r"\\host@SSL\share"),
    *("Zürich/水", "http", "s3", "s3/bucket", "data/s3:x", "a?b", "100%", "a%20b"),
]

# Every argument that is a path or may be an address: X. Nothing of it may come about.
ARGUMENTS = [
    "simulate tiny --out X",
    "simulate X --out new",
    "simulate X.toml --out new",
    "simulate island --days 1 --out new --key X",
    "check X",
    "report X --out page.html",
    "report DATASET --out X",
    "load X",
    "load X --split holdout",
    "load X --dry-run",
    "verify X",
    "doctor X",
    *(f"doctor --{option} X" for option in ("creds", "nkey", "tlsca", "tlscert", "tlskey", "context")),
    *(f"load DATASET --{option} X" for option in ("creds", "nkey", "tlsca", "tlscert", "tlskey", "context")),
    "consume zakar-tweets --out X",
    "consume zakar-tweets --format parquet --out X",
    "consume X",
    "broker --store X",
    "broker --listen X",
    "broker --tlscert X --tlskey X",
    *(f"broker --memphis --server nats://127.0.0.1:9 --{option} X" for option in ("creds", "nkey", "tlsca")),
    "publish X --out new",
    "publish DATASET --out X",
    "demo tiny --out X",
    "demo X",
    "lab run latency --out X",
    "lab run latency --link X",
    "lab report X",
    "lab report --out X",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_told_and_shown_without_its_secret(text: str) -> None:
    assert location.scheme(text)
    with pytest.raises(ConfigError) as caught:
        location.local("--out")(text)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
    if not text.startswith(
        ("file:", "hf://", "memory://", "gs://", "gcs://", "://")
    ):  # there it is no place for secrets
        assert "SECRET" not in location.shown(text)


@pytest.mark.parametrize("text", PATHS)
def test_a_path_is_a_path_on_every_system(text: str) -> None:
    assert location.scheme(text) == ""
    assert location.shown(text) == text
    assert location.local("--out")(text) == Path(text)


@given(st.text(min_size=1).filter(lambda text: not set(text) & set(":%?&;=@") and text.strip()))
def test_a_text_without_any_mark_of_an_address_is_a_path(text: str) -> None:
    assert location.scheme(text) == ""


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9+.-]*", fullmatch=True), st.text(), st.text())
def test_whatever_has_a_scheme_is_an_address(scheme: str, before: str, after: str) -> None:
    assert location.scheme(f"{before}{scheme}://{after}")


@given(st.from_regex(r"[A-Za-z0-9/+=@:]{8,40}", fullmatch=True), st.sampled_from(["s3", "S3", "gs", "ftp", "odd+one"]))
def test_no_password_of_an_address_is_shown(password: str, scheme: str) -> None:
    shown = location.shown(f"{scheme}://ana:{password}@host/data?sig={password}#{password}")
    assert shown == (f"{scheme}://..." if set("@/") & set(password) else f"{scheme}://host/data")


def test_what_is_empty_is_no_path() -> None:
    for text in ("", "  "):
        with pytest.raises(ConfigError, match="--out: is empty"):
            location.local("--out")(text)


@pytest.mark.parametrize("words", ARGUMENTS)
def test_every_argument_refuses_addresses_in_a_sentence_without_their_secret(
    words: str, pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NATS_URL", "NATS_CONTEXT", "NATS_CREDS"):
        monkeypatch.delenv(name, raising=False)
    # Where a dataset is asked for, addresses of object stores are opened, which here would wait for a network.
    read = words.split()[0] in {"check", "report", "load", "verify", "doctor"} and " X" in words.partition(" --")[0]
    opened = ("s3://", "S3://", "gs://", "gcs://", "abfs", "file:/", "hdfs")
    for text in (text for text in ADDRESSES if not (read and text.startswith(opened))):
        given = [
            word.replace("X", text) if word in {"X", "X.toml"} else word.replace("DATASET", str(pristine))
            for word in words.split()
        ]
        said = io.StringIO()
        monkeypatch.setattr(sys, "argv", ["zakar", *given])
        monkeypatch.setattr(sys, "stderr", said)
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 2, (text, said.getvalue())
        assert "SECRET" not in said.getvalue().replace(location.shown(text), ""), text
        assert "AKIAKEY" not in said.getvalue(), text
        assert said.getvalue().startswith("zakar: "), text
        assert said.getvalue().count("\n") == 1, said.getvalue()
    assert list(tmp_path.iterdir()) == []


# Where no address belongs: choices, numbers, names, and a word too many.
MISUSED = [
    *("X", "lab X", "lab run X", "load DATASET X", "check DATASET X", "schema X"),
    *("load DATASET --X", "load DATASET --nothing=X", "load DATASET --json=X"),
    *("load DATASET --tables X", "verify DATASET --tables tweets,X", "consume zakar-tweets --format X"),
    *(f"load DATASET --{option} X" for option in ("split", "mode", "transport", "storage", "days", "partitions")),
    *(f"load DATASET --{option} X" for option in ("rate", "in-flight", "ack-timeout", "connections")),
    *("simulate tiny --out new --seed X", "publish DATASET --out new --split X", "publish DATASET --out new --owner X"),
    *("broker --port X", "doctor DATASET --days X", "consume zakar-tweets --limit X", "lab run --port X"),
]


@pytest.mark.parametrize("words", MISUSED)
def test_an_address_where_none_belongs_is_told_without_its_secret(
    words: list[str],
    pristine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Choices, numbers, names, and what is one word too many: bad usage repeats what was said, but no secret in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    for text in ADDRESSES:
        given = [word.replace("DATASET", str(pristine)).replace("X", text) for word in words.split()]
        monkeypatch.setattr(sys, "argv", ["zakar", *given])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        assert caught.value.code == 2, text
        if text.startswith(("file:", "hf://", "memory://", "gs://", "gcs://", "://")):  # no place for secrets
            continue
        assert "SECRET" not in (said.out + said.err).replace(location.shown(text), ""), text
    assert list(tmp_path.iterdir()) == []


def test_an_address_in_a_variable_is_refused_like_one_in_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_CREDS", "s3://AKIAKEY:SECRET@bucket/ana.creds")
    for words in (["doctor"], ["broker", "--memphis", "--server", "nats://127.0.0.1:9"]):
        monkeypatch.setattr(sys, "argv", ["zakar", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr().err
        assert (caught.value.code, "SECRET" in said, "NATS_CREDS: its scheme is not supported" in said) == (
            2,
            False,
            True,
        )


def test_a_phrase_table_is_no_address_and_its_path_is_not_published(tmp_path: Path) -> None:
    from zakar.models import scenario_files
    from zakar.models.shared import phrase_files
    from zakar.simulation.description import published_settings

    with pytest.raises(ConfigError) as caught:
        phrase_files.find("s3://AKIAKEY:SECRET@bucket/words.toml")
    assert "SECRET" not in str(caught.value)
    text = scenario_files.find("tiny").read_text(encoding="utf-8")
    for path in ("/home/ana/words.toml", r"C:\\Users\\ana\\words.toml", "../ana/words.toml", "words.toml"):
        (tmp_path / "mine.toml").write_text(text.replace('phrases = "en"', f'phrases = "{path}"'), encoding="utf-8")
        settings = published_settings(registry.read(tmp_path / "mine.toml"))
        assert settings["tweets"]["phrases"] == "words.toml"
