"""`python -m zakar`."""

from zakar.cli.main import main

if __name__ == "__main__":
    main()
