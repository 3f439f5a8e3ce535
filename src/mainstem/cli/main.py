"""`entry`: where the program starts.

The version and the top-level help are answered here, before the framework of the command line is
imported: shells, editors and continuous integration ask for them all the time.
"""

from __future__ import annotations

import sys


def entry() -> int:
    """Run the program with the arguments of the process and give its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from mainstem import __version__

        print(f"mainstem {__version__}")
        return 0
    if arguments in ([], ["--help"], ["-h"], ["help"]):
        from mainstem.cli.help import top_level

        print(top_level())
        return 0
    from mainstem.cli.dispatch import dispatch

    return dispatch(arguments)
