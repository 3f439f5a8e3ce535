"""Every command: its name, what it does in a line, and where it is.

The one list from which the commands are registered, the top-level help is printed and the reference
is checked. The module of a command is imported only when that command is called.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command; `name` has a space when it stands in a group."""

    name: str
    does: str
    target: str


def _at(module: str, function: str = "") -> str:
    return f"mainstem.cli.command.{module}:{function or module}"


COMMANDS = (
    Command("init", "Make a small project that runs, or a pipeline from a data file.", _at("init")),
    Command("check", "Check everything that can be known without reading data.", _at("check")),
    Command("plan", "Say what a run would read and write, and what has changed.", _at("plan")),
    Command("render", "Print the SQL of the steps: Mainstem's and the engine's.", _at("render")),
    Command("run", "Run a pipeline.", _at("run")),
    Command("backfill", "Run a pipeline once for each value of a parameter.", _at("backfill")),
    Command("test", "Run the cases of a pipeline: rows in, rows out.", _at("test", "run_cases")),
    Command("verify", "Compare what several engines make of a pipeline.", _at("verify")),
    Command("status", "Show the last run, also while one goes on.", _at("status")),
    Command("explain", "Say where event time stands, and what holds it.", _at("explain")),
    Command("runs", "List the runs of a pipeline.", _at("runs")),
    Command("quality", "Show what the expectations found, run by run.", _at("quality")),
    Command("quarantine ls", "Count the rows kept aside.", _at("quarantine", "ls")),
    Command("quarantine show", "Show rows kept aside.", _at("quarantine", "show")),
    Command("quarantine explain", "Say everything about one row.", _at("quarantine", "explain")),
    Command("quarantine export", "Write rows kept aside to a file.", _at("quarantine", "export")),
    Command("quarantine replay", "Let open rows through again.", _at("quarantine", "replay")),
    Command("quarantine drop", "Mark open rows as dropped.", _at("quarantine", "drop")),
    Command("profile", "Show what data looks like, and what to expect of it.", _at("profile")),
    Command("query", "Ask the tables that a pipeline keeps, in SQL.", _at("query")),
    Command("state ls", "List what a stream keeps.", _at("state", "ls")),
    Command("state show", "Show epoch, watermarks and positions.", _at("state", "show")),
    Command("state backup", "Copy the state, also while a run goes on.", _at("state", "backup")),
    Command("state restore", "Make the state of a backup.", _at("state", "restore")),
    Command("state diff", "Compare two states.", _at("state", "diff")),
    Command("config show", "Show every setting and who set it.", _at("config", "show")),
    Command("doctor", "Check this machine and this installation.", _at("doctor")),
    Command("demo", "Run an example on generated data.", _at("demo")),
    Command("dev up", "Start a real server on this machine, such as Kafka.", _at("dev", "up")),
    Command("dev down", "End a server that dev up has started.", _at("dev", "down")),
    Command("dev ls", "List the servers that run on this machine.", _at("dev", "ls")),
    Command("completion", "Print the completion script of a shell.", _at("completion")),
)

GROUPS = {
    "config": "Settings of a pipeline.",
    "dev": "Real servers on this machine, to try and to test with.",
    "state": "What a stream keeps, and copies of it.",
    "quarantine": "Rows that were kept aside, and what is done about them.",
}
