"""`zakar` and `python -m zakar`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it with code 130, while it still imports too."""
    try:
        from zakar import processes  # noqa: PLC0415 - the slow part of starting, so inside the try
        from zakar.cli import main as cli  # noqa: PLC0415

        processes.slim()

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
