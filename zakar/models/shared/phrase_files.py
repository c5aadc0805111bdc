"""The files of phrase tables, of any model."""

import hashlib
import re
from pathlib import Path

from zakar import config, location
from zakar.errors import ConfigError


def find(name_or_file: str, beside: Path | None = None) -> Path:
    """Return the file of a phrase table: a name in configs/phrases/, or a path beside the scenario.

    Raises ConfigError if there is none.
    """
    if name_or_file:
        location.refuse("`tweets.phrases`", name_or_file)
    folder = config.folder() / "phrases"
    known = folder / f"{name_or_file}.toml"
    if known.is_file():
        return known
    path = (beside or Path()) / name_or_file
    if path.suffix == ".toml" and path.is_file():
        return path
    names = ", ".join(f"`{table.stem}`" for table in sorted(folder.glob("*.toml")))
    raise ConfigError(
        f"`tweets.phrases`: no phrase table `{name_or_file}`; must be one of {names}, or a .toml file beside the "
        f"scenario (looked for {known} and {path})"
    )


def language(path: Path) -> str:
    """Return the code of a phrase table's language, without a country; empty where it says none."""
    code = config.read_toml(path).get("language")
    return re.split("[_-]", code)[0].lower() if isinstance(code, str) else ""


def digest(path: Path) -> str:
    """Return the SHA-256 of a phrase table's text, whatever its line ends."""
    return hashlib.sha256(config.read_text(path).encode()).hexdigest()
