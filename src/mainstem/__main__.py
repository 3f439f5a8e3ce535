"""``python -m mainstem`` is ``mainstem``."""

import sys

from mainstem.cli.main import entry

if __name__ == "__main__":
    sys.exit(entry())
