"""zakar: simulate an island of wildfires and stream its data into broker stations.

What programs may call stands here, and is imported from ``zakar.api`` once it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zakar.api import (
        Access,
        Batch,
        Comparison,
        ConfigError,
        Dataset,
        LoadReport,
        MismatchError,
        ServerError,
        StoppedError,
        ZakarError,
        access,
        follow,
        load,
        local_broker,
        open_dataset,
        read_station,
        read_table,
        simulate,
        verify,
    )

__version__ = "0.1.0"
__all__ = [
    "Access",
    "Batch",
    "Comparison",
    "ConfigError",
    "Dataset",
    "LoadReport",
    "MismatchError",
    "ServerError",
    "StoppedError",
    "ZakarError",
    "access",
    "follow",
    "load",
    "local_broker",
    "open_dataset",
    "read_station",
    "read_table",
    "simulate",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Return what is public of ``zakar.api``."""
    if name in __all__:
        return getattr(importlib.import_module("zakar.api"), name)
    raise AttributeError(f"module `zakar` has no attribute `{name}`")


def __dir__() -> list[str]:
    """Return the names that are here, those too that are not imported yet."""
    return sorted({*globals(), *__all__})
