"""Run the command with ``python -m industriverse.cli``."""

from industriverse.cli.main import main

if __name__ == "__main__":
    main()
