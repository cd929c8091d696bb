"""``python -m donkeywatch`` is the command ``donkeywatch``."""

from donkeywatch.cli import main

if __name__ == "__main__":
    main()
