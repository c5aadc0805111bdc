"""What may leave of a dataset: all but the private part, or the held-out days without the answers."""

import base64
import datetime
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from zakar.checks import results
from zakar.checks.integrity import integrity
from zakar.dataset import card, croissant, hubs, layout, manifest, store
from zakar.dataset.about import about
from zakar.dataset.layout import Split
from zakar.dataset.manifest import Manifest
from zakar.dataset.store import Dataset
from zakar.dataset.writer import Writer, check_free, folder_writer
from zakar.errors import ConfigError, MismatchError
from zakar.models import registry
from zakar.progress import Count, Show, counted, unseen
from zakar.seeds import secret_root

_TEXTS = (manifest.NAME, card.NAME, croissant.NAME, results.NAME, hubs.NAME)
_SHOWN = 5  # surprises, at most
_LEAST = 8  # bytes that a secret must have, to be searched for
_DIGEST = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class Publication:
    """What was written: its manifest, and how many files of how many bytes.

    ``own_lines`` of the card are not as zakar writes it: somebody has put them there.
    """

    manifest: Manifest
    files: int
    bytes: int
    own_lines: int


def publish(
    source: Path,
    split: Split,
    out: Path,
    owner: str,
    *,
    day: datetime.date | None = None,
    overwrite: bool = False,
    progress: Show = unseen,
) -> Publication:
    """Write what may leave of the dataset in ``source`` into the folder ``out``, and see to it that nothing else does.

    Of released days that is all but the private part; held-out days are handed out without the answers. ``owner`` is
    who has them on dataset hubs, ``day`` when they are published, by default as the scenario says, or today. The
    folder appears under its name only once it has been read again and compared. ``progress`` is told the rows that
    were copied and then those that were compared.

    Raises ConfigError if ``source`` holds what is no part of a dataset, ``out`` is in the way or the scenario says
    another day, and MismatchError if the content is not what the manifest says, or something private would leave.
    """
    source, out = source.resolve(), out.resolve()
    dataset = store.open_dataset(str(source), split)
    whole = store.open_dataset(str(source)).manifest
    leaving = _leaving(dataset)
    scenario_day = about(leaving).published
    if day is not None and scenario_day is not None and scenario_day != str(day):
        raise ConfigError(f"--date {day}: the scenario says in [about] that the data is published on {scenario_day}")
    files = _sources(dataset, leaving)
    _refuse(source, "holds", _surprises(whole, source) or _links(source, files.values()))
    _check_free(source, out, overwrite)
    writer = folder_writer(out, overwrite=overwrite)
    done = counted(progress, 2 * sum(entry.rows for _, entry in layout.published(leaving)))
    try:
        _write(dataset, leaving, files, source, writer, owner, done)
        writer.put(croissant.NAME, croissant.render(leaving, day or datetime.datetime.now().astimezone().date()))
        _check(files, source, writer.partial, done)
        writer.commit(manifest.encode(leaving))
    except OSError as error:
        raise ConfigError(f"{error.filename or out}: {error.strerror or error}") from error
    finally:
        writer.abandon()
    written = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    return Publication(leaving, len(written), sum(written), _own_lines(leaving, out))


def _own_lines(leaving: Manifest, out: Path) -> int:
    """Return how many lines of the card that was written are not as zakar writes it; scores of baselines are."""
    ours, text = (
        card.with_scores(each, leaving, ()).splitlines()
        for each in (registry.rendered(leaving), (out / card.NAME).read_text(encoding="utf-8"))
    )
    return sum((Counter(text) - Counter(ours)).values())


def _leaving(dataset: Dataset) -> Manifest:
    """Return the manifest of what leaves."""
    leaving = dataset.manifest
    if dataset.split is Split.HOLDOUT:
        leaving = manifest.handed_out(leaving)
    tweets = leaving.scenario.get("tweets")
    if isinstance(tweets, dict) and "phrases" in tweets:  # of an older zakar: a path tells of its maker's machine
        name = re.split(r"[/\\]", str(tweets["phrases"]))[-1]
        leaving = msgspec.structs.replace(leaving, scenario={**leaving.scenario, "tweets": {**tweets, "phrases": name}})
    return leaving


def _check_free(source: Path, out: Path, overwrite: bool) -> None:
    """Raise ConfigError if ``out`` is in the way: of the source, of a private part, of anything that is no dataset."""
    if out == source or source in out.parents or out in source.parents:
        raise ConfigError(f"{out}: is the dataset's own folder, or above or below it; give --out another")
    if os.path.lexists(out / "private"):
        raise ConfigError(f"{out}: has a private part, which is not replaced; give --out another folder")
    check_free(out, overwrite)
    if (out / manifest.NAME).is_file():
        _refuse(out, "is not replaced, since it holds", _surprises(store.open_dataset(str(out)).manifest, out))


def _refuse(folder: Path, how: str, surprises: list[str]) -> None:
    if surprises:
        more = f" and {len(surprises) - _SHOWN} more" if len(surprises) > _SHOWN else ""
        raise ConfigError(
            f"{folder}: {how} what is no part of a dataset: {', '.join(surprises[:_SHOWN])}{more}; move that elsewhere"
        )


def _surprises(listed: Manifest, folder: Path) -> list[str]:
    """Return what a folder holds, but for its private part, beside the files of a dataset: other files, and links."""
    known = {folder / name for name in (*_TEXTS, *_parts(listed))}
    folders = {parent for path in known for parent in path.parents}
    surprises = []
    for here, names, files in os.walk(folder):
        for path in sorted(Path(here, name) for name in (*names, *files)):
            if path == folder / "private":
                names.remove(path.name)  # nothing of it leaves, and so it may hold anything
            elif path.is_symlink():
                surprises.append(f"{_named(path, folder)}, a link")
            elif path not in known and path not in folders:
                surprises.append(_named(path, folder))
                if path.name in names:
                    names.remove(path.name)
    return surprises


def _named(path: Path, folder: Path) -> str:
    """Return the name of a file below a folder, on one line whatever is in it."""
    return re.sub(r"[\r\n]", lambda end: repr(end[0])[1:-1], path.relative_to(folder).as_posix())


def _links(source: Path, files: Iterable[str]) -> list[str]:
    """Return those files, below ``source``, that are links or lie behind one; the private part itself may be one."""
    known = {Path(file) for file in files}
    paths = {*known, *(parent for path in known for parent in path.parents)} - {Path(), Path("private")}
    return [f"{path.as_posix()}, a link" for path in sorted(paths) if (source / path).is_symlink()]


def _parts(listed: Manifest) -> Iterator[str]:
    """Yield the paths of a dataset's public files, below its folder."""
    for table, entry in layout.published(listed):
        yield from (f"{layout.folder(table, held_out=False).as_posix()}/{file.name}" for file in entry.files)


def _sources(dataset: Dataset, leaving: Manifest) -> dict[str, str]:
    """Return the paths of the files that leave: as they are to be called, and as they are here."""
    held_out = dataset.split is Split.HOLDOUT
    files: dict[str, str] = {}
    for table, entry in layout.published(leaving):
        here = layout.folder(table, held_out and table.name not in leaving.maps).as_posix()
        there = layout.folder(table, held_out=False).as_posix()
        files |= {f"{there}/{file.name}": f"{here}/{file.name}" for file in entry.files}
    return files


def _write(
    dataset: Dataset, leaving: Manifest, files: dict[str, str], source: Path, writer: Writer, owner: str, done: Count
) -> None:
    for there, here in files.items():
        writer.put(there, (source / here).read_bytes())  # the bytes alone: neither owner nor time
        done(f"copied {there}", _rows(leaving, there))
    writer.put(manifest.NAME, manifest.encode(leaving))
    edited = source / card.NAME  # people may have written into it
    text = registry.rendered(leaving)
    if dataset.split is Split.TRAIN and edited.is_file():
        try:
            text = edited.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{edited}: not UTF-8; save it so, or delete it and it is made anew") from error
    writer.put(card.NAME, text.encode())
    kept = source / results.NAME
    if dataset.split is Split.TRAIN and kept.is_file():
        checks = results.published(kept.read_bytes(), leaving.fingerprint)
        if checks is not None:
            writer.put(results.NAME, checks)
    writer.put(hubs.NAME, hubs.kaggle(leaving, text, owner))


def _check(files: dict[str, str], source: Path, partial: Path, done: Count) -> None:
    """Read again what was written. Raises MismatchError unless it is what it should be, and nothing else."""
    written = store.open_dataset(str(partial))
    written = store.watched(written, lambda table, rows: done(f"compared {table}", rows))
    _refuse(partial, "holds", _surprises(written.manifest, partial))
    for table, entry in layout.published(written.manifest):
        folder = partial / layout.folder(table, held_out=False)
        for file in entry.files:
            if file.sha256 and _sha256(folder / file.name) != file.sha256:
                raise MismatchError(f"{table.name}/{file.name}: not the bytes that the manifest lists; copy it again")
        for name in store.extra_metadata(written, table, entry):
            raise MismatchError(f"{table.name}/{Path(name).name}: says more than its rows; simulate the dataset again")
    wrong = [check.id for check in integrity(written) if not check.ok]
    if wrong:
        raise MismatchError(f"{source}: {', '.join(wrong)}: not what it should be; simulate the dataset again")
    for path, what in _leaks(written.manifest, {source / here for here in files.values()}, source, partial):
        name = path.relative_to(partial).as_posix()
        raise MismatchError(f"{source}: {name} would give away {what}; nothing was published")


def _leaks(leaving: Manifest, allowed: set[Path], source: Path, partial: Path) -> Iterator[tuple[Path, str]]:
    """Yield what of the private part, or of this machine, is in what was written: the file, and what it would tell.

    ``allowed`` are the files that are to leave.
    """
    private = _private(source)
    kept = {path for path in private if path == source / "private" / results.NAME}  # often the same as the public one
    hidden = {_sha256(path) for path in private if path not in allowed | kept}
    empty = {name for name in _parts(leaving) if not _rows(leaving, name)}  # these are all alike
    public_digests = set(_DIGEST.findall(manifest.encode(leaving)))
    digests = {digest for path in private if path.suffix == ".json" for digest in _DIGEST.findall(path.read_bytes())}
    secrets = {secret for path in private if path.name == "key" for secret in _secrets(path)}
    places = {str(folder).encode() for folder in (source, partial, _home()) if folder is not None}
    for path in sorted(path for path in partial.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if any(secret in content for secret in secrets):
            yield path, "the key"
        if path.relative_to(partial).as_posix() not in empty and hashlib.sha256(content).hexdigest() in hidden:
            yield path, "a private file"
        if path.suffix != ".parquet":
            if (digests - public_digests) & set(_DIGEST.findall(content)):
                yield path, "the digest of something private"
            if any(name in content for name in places):
                yield path, "a folder of this machine; edit it, or delete it and it is made anew"


def _private(source: Path) -> list[Path]:
    """Return the files of the private part, which may be elsewhere by a link. Raises ConfigError if it is illegible."""

    def stop(error: OSError) -> None:
        raise ConfigError(
            f"{error.filename}: cannot be read: {error.strerror}; what is private must be known to be kept"
        )

    walk = os.walk(source / "private", onerror=stop, followlinks=True) if os.path.lexists(source / "private") else ()
    return [Path(folder, name) for folder, _, names in walk for name in names]


def _secrets(path: Path) -> Iterator[bytes]:
    """Yield the forms in which a key might appear: as it is written, its bits, and the root of draws made of it."""
    key = path.read_bytes().strip()
    if len(key) < _LEAST:
        return
    yield from {key, key.lower(), key.upper()}
    root = secret_root(key.lower())
    yield from (str(root).encode(), f"{root:064x}".encode(), root.to_bytes(32, "big"))
    try:
        bits = bytes.fromhex(key.decode())
    except ValueError:  # no key
        return
    yield from (bits, base64.b64encode(bits).rstrip(b"="), base64.urlsafe_b64encode(bits).rstrip(b"="))


def _rows(listed: Manifest, part: str) -> int:
    _, table, name = part.split("/")
    return next(file.rows for file in {**listed.tables, **listed.maps}[table].files if file.name == name)


def _home() -> Path | None:
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if len(home.parts) > 1 and len(str(home)) > _LEAST else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
