"""manifest.json: what a dataset holds, where it comes from, and the checksums of its content."""

from importlib.metadata import version

import msgspec
from msgspec import Struct

import zakar
from zakar.dataset.content import fingerprint
from zakar.dataset.schema import ANSWERS
from zakar.errors import MismatchError

FORMAT = 1
NAME = "manifest.json"


class File(Struct, frozen=True, omit_defaults=True):
    """One Parquet file of a table; ``sha256`` is of its bytes, which other software may write in another way."""

    name: str
    rows: int
    bytes: int
    sha256: str = ""


class TableEntry(Struct, frozen=True, omit_defaults=True):
    """One table: ``sha256`` is of the decoded content; ``wire_bytes`` is what its wire objects come to.

    Only public tables go over the wire.
    """

    rows: int
    bytes: int
    sha256: str
    columns: dict[str, str]
    files: tuple[File, ...]
    wire_bytes: int = 0


class Manifest(Struct, frozen=True, omit_defaults=True):
    """The published description of a dataset; it says nothing of what is private.

    ``days`` are its days, from ``first_day`` on. ``phrases`` is the SHA-256 of the phrase table behind the posts.
    ``language`` is the code of the posts' language, empty where nobody knows.
    ``maps`` are public tables of what does not change from day to day; no station carries them. ``notes`` say what
    keys of the scenario mean, and where their values come from, by the key's path. ``withheld`` are tables that whoever
    gets this dataset is to predict: it is of held-out days, and handed out without them.
    """

    format: int
    name: str
    title: str
    seed: int
    days: int
    fingerprint: str
    tables: dict[str, TableEntry]
    software: dict[str, str]
    scenario: dict[str, object]
    phrases: str = ""
    language: str = ""
    first_day: int = 1
    maps: dict[str, TableEntry] = {}
    notes: dict[str, str] = {}
    withheld: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """Rows in all tables."""
        return sum(entry.rows for entry in self.tables.values())


class PrivateManifest(Struct, frozen=True, omit_defaults=True):
    """The description of a dataset's private part: its truth tables, and the held-out days with theirs.

    ``fingerprint`` is that of the truth, ``holdout_fingerprint`` that of the held-out public tables.
    """

    format: int
    fingerprint: str
    truth: dict[str, TableEntry]
    holdout_days: int = 0
    holdout: dict[str, TableEntry] = {}
    holdout_fingerprint: str = ""
    holdout_truth: dict[str, TableEntry] = {}


def software() -> dict[str, str]:
    """Return the versions on which content may depend."""
    packages = {name: version(name) for name in ("faker", "numpy", "pyarrow")}
    return {"zakar": zakar.__version__, **packages}


def encode(manifest: Manifest | PrivateManifest) -> bytes:
    """Return a manifest as JSON that a person can read."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(content: bytes, source: str) -> Manifest:
    """Read a manifest. Raises MismatchError naming ``source`` if it is none, or of another format."""
    try:
        version = msgspec.json.decode(content, type=_Format).format
        if version == FORMAT:
            return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MismatchError(f"{source}: not a zakar manifest: {error}") from error
    raise MismatchError(
        f"{source}: format {version}, this zakar reads format {FORMAT}; "
        "simulate the dataset again or install the zakar that wrote it"
    )


def decode_private(content: bytes, source: str) -> PrivateManifest:
    """Read a private part's manifest. Raises MismatchError naming ``source`` if it is none."""
    try:
        return msgspec.json.decode(content, type=PrivateManifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MismatchError(f"{source}: not the manifest of a private part: {error}") from error


def held_out(public: Manifest, private: PrivateManifest) -> Manifest:
    """Return the description of a dataset's held-out days in the form of a dataset's own.

    Its fingerprint is that of the tables that may be handed out: stations show it, and one over the answers too would
    tell whoever guesses them that the guess is right.
    """
    open_tables = {name: entry.sha256 for name, entry in private.holdout.items() if name not in ANSWERS}
    return msgspec.structs.replace(
        public,
        first_day=public.days + 1,
        days=private.holdout_days,
        tables=private.holdout,
        fingerprint=fingerprint(open_tables),
    )


def handed_out(held_out: Manifest) -> Manifest:
    """Return the description of held-out days as they are handed out: without the answers."""
    return msgspec.structs.replace(
        held_out,
        title=f"{held_out.title}: held-out days",
        tables={name: entry for name, entry in held_out.tables.items() if name not in ANSWERS},
        withheld=tuple(name for name in held_out.tables if name in ANSWERS),
    )


class _Format(Struct):
    format: int
