"""`python -m bakeoff` is the `bakeoff` command."""

from bakeoff.cli.main import main

if __name__ == "__main__":
    main()
