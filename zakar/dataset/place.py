"""Where a dataset is to be written: free, and taken at once when all is whole."""

import glob
import os
import shutil
from pathlib import Path

from zakar.dataset import manifest
from zakar.errors import ConfigError


def check_free(out: Path, overwrite: bool) -> None:
    """Raise ConfigError if ``out`` holds something that must not be replaced, or is about to be put back."""
    try:
        if not out.exists():
            for old in out.parent.glob(f"{glob.escape(out.name)}.old-*"):
                if (old / manifest.NAME).is_file():
                    raise ConfigError(
                        f"{old}: the dataset that a killed run was about to replace; "
                        f"rename it to {out.name}, or delete it, first"
                    )
            return
    except OSError as error:
        raise ConfigError(f"{str(out)[:80]}: cannot be used: {error.strerror}") from error
    if not out.is_dir():
        raise ConfigError(f"{out}: is a file; give --out a folder that does not exist yet")
    is_dataset = (out / manifest.NAME).is_file()
    if any(out.iterdir()) and not is_dataset:
        raise ConfigError(f"{out}: holds files that are no dataset; give --out another folder")
    if is_dataset and not overwrite:
        raise ConfigError(f"{out}: holds a dataset already; give --overwrite to replace it, or another --out")


def beside(out: Path) -> Path:
    """Return the name of the folder in which a dataset is written before it is whole."""
    return out.with_name(f"{out.name}.partial-{os.getpid()}")


def move(partial: Path, out: Path) -> None:
    """Put the finished folder in its place; what it replaces goes only once it is there, and else comes back."""
    old = out.with_name(f"{out.name}.old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    try:
        partial.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
