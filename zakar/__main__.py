"""`zakar` and `python -m zakar`."""

import io
import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it with code 130, while it still imports too."""
    _open_streams()
    try:
        from zakar import processes  # noqa: PLC0415 - the slow part of starting, so inside the try
        from zakar.cli import main as cli  # noqa: PLC0415

        processes.slim()

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


def _open_streams() -> None:
    """Have a console never change an answer: what its encoding has no letter for is written as an escape.

    A stream that is closed leads nowhere, and leaves its number to no file or socket, into which others would write.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115, PTH123 - as long as we live
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
