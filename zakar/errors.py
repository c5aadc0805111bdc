"""Errors that a user can act on, each with the exit code of the command line."""


class ZakarError(Exception):
    """Something a user can mend. The message names the thing and the fix.

    ``exit_code`` is what the command line exits with; the subclasses say which failure it stands for.
    """

    exit_code = 1


class MismatchError(ZakarError):
    """A check or comparison failed: files against the manifest, a station against the dataset."""

    exit_code = 1


class ConfigError(ZakarError):
    """Bad usage or bad configuration: a key, a value, a folder that cannot be used."""

    exit_code = 2


class ServerError(ZakarError):
    """The server cannot be reached or refuses, and nothing was sent."""

    exit_code = 3


class StoppedError(ZakarError):
    """Stopped after something was stored; running the same command again goes on from there."""

    exit_code = 4
