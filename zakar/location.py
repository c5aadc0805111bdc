"""Where something is: a path of this machine or an address elsewhere, told apart here, and shown without secrets."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

from zakar.errors import ConfigError

# Those that people write without a slash after the colon, where another word may be the beginning of a file's name.
_SCHEMES = frozenset(
    {
        *("abfs", "abfss", "adl", "az", "azure", "b2", "cos", "data", "dbfs", "env", "file", "ftp", "ftps", "gcs"),
        *("gdrive", "git", "github", "gs", "hdfs", "hf", "http", "https", "ipfs", "jar", "kaggle", "lakefs", "memory"),
        *("memphis", "minio", "mock", "nats", "nfs", "obs", "onedrive", "op", "oss", "r2", "rsync", "s3", "s3a", "s3n"),
        *("scp", "sftp", "smb", "ssh", "swift", "tls", "viewfs", "wasb", "wasbs", "webhdfs", "ws", "wss", "zip"),
    }
)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)?://")
_BEGINNING = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/?)")  # a single letter is a drive of Windows's
_DRIVE = re.compile(r"[A-Za-z]:")
_BEFORE = re.compile("^-+|[=,]")  # what may stand before an address in one word
_SIGNED = re.compile(
    r"[?&;](x-amz-[a-z-]+|x-goog-[a-z-]+|awsaccesskeyid|access_?token|token|sig|signature)="
    r"|(accountkey|sharedaccesssignature)=",
    re.IGNORECASE,
)


def scheme(text: str) -> str:
    """Return in a word what kind of address a text is, its scheme if it has one; empty for a path of this machine."""
    for form in (text, unquote(text)):
        form = form.strip(" \t\r\n'\"<>\ufeff")  # noqa: PLW2901 - as it was meant
        if url := _URL.search(form):
            return (url[1] or "url").lower()
        if (beginning := _BEGINNING.match(form)) and (beginning[2] or beginning[1].lower() in _SCHEMES):
            return beginning[1].lower()
        host = re.split(r"[/\\]", form, maxsplit=1)[0]
        if not _DRIVE.match(form) and "@" in host and ":" in host:  # ana@host:folder, or user:secret@host
            return "remote"
        if _SIGNED.search(form):
            return "signed"
    return ""


def shown(text: str) -> str:
    """Return a path or an address as it may be printed: without the user, password, query and fragment of a URL."""
    kind = scheme(text)
    if not kind:
        return text
    begin, separator, rest = text.partition("://")
    if begin.lower() != kind or not separator:
        return f"{kind}:..."
    place, *more = re.split("[?#]", rest, maxsplit=1)
    host = place.partition("/")[0]
    # A password with a ? or a / in it, or an @ in a query or behind a port: which of them, nobody can tell.
    if (more and "@" in more[0]) or ("@" in place and "@" not in host and ":" in host):
        return f"{begin}://..."
    return f"{begin}://{place[len(user(place)) :]}"


def user(rest: str) -> str:
    """Return the user and password, and the @ after them, that a URL has after its ://, if any."""
    host = rest.partition("/")[0]
    # Up to the last @, since secrets may hold a / or an @ that ought to have been escaped.
    return rest[: rest.rfind("@") + 1] if "@" in host or ":" in host else ""


def local(option: str) -> Callable[[str | Path], Path]:
    """Return what reads the value of an option that is a path of this machine.

    It raises ConfigError, which repeats nothing of the value but its scheme, for an address, and for nothing at all.
    """

    def path(text: str | Path) -> Path:  # a default is a path already
        if isinstance(text, str):
            refuse(option, text)
        return Path(text)

    return path


def refuse(option: str, text: str) -> None:
    """Raise ConfigError unless the value of an option is a path of this machine."""
    kind = scheme(text)
    if kind == "file":
        raise ConfigError(f"{option}: give the path alone, without file:")
    if kind in {"remote", "signed", "url"}:
        raise ConfigError(f"{option}: an address elsewhere is not supported here; give a path of this machine")
    if kind:
        raise ConfigError(f"{option}: {kind}: addresses are not supported here; give a path of this machine")
    if not text.strip():
        raise ConfigError(f"{option}: is empty; give a path")


def hidden(text: str, words: Sequence[str]) -> str:
    """Return what is said of a command's words, in which every address among them, or in one, is shown as it may be."""
    given = {word[start:] for word in words for start in (0, *(mark.end() for mark in _BEFORE.finditer(word)))}
    given |= {part.strip() for word in words for part in word.split(",")}
    for address in sorted(filter(scheme, given), key=len, reverse=True):  # one may be in another
        text = text.replace(address, shown(address)).replace(repr(address)[1:-1], shown(address))
    return text
