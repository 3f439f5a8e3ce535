"""The socket of a running stream: other terminals of the same user ask it.

One JSON line there, one back. It stands in the state directory and can be opened by its owner only;
an address longer than the system takes stands in a private folder, and a file says where.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mainstem import errors
from mainstem.engines.desk import Desk
from mainstem.errors import DataError, Finding, InternalError, MainstemError, StateError
from mainstem.runtime.wire import from_wire, to_wire

NAME, POINTER = "socket", "socket.path"
# What the kernel takes is 108 bytes, with their end, on Linux and 104 elsewhere.
LONGEST = 100
# A question and an answer are refused when they are longer, in bytes.
MOST_ASKED, MOST_ANSWERED = 1 << 20, 64 << 20
# How long an asker may take to write its question, and how long it waits for the answer, in seconds.
ASK_S, WAIT_S = 5.0, 60.0
# Kinds of questions that may take as long as they take.
SLOW = frozenset({"backup"})


@contextmanager
def answering(folder: Path, desk: Desk) -> Iterator[None]:
    """Serve the questions of a state directory; the caller holds its lock.

    Raises
    ------
    StateError
        When the socket cannot be made.
    """
    with suppress(FileNotFoundError):
        # A killed run has left its own; nobody else can be listening while we hold the lock.
        _forget(folder)
    address = _address(folder)
    try:
        listening = _listening(address)
    except OSError as error:
        raise StateError(
            f"the socket {address} cannot be made: {error.strerror}", code="SocketFailed",
            fix="name a --state-dir on a local disk",
        ) from error  # fmt: skip
    server = threading.Thread(
        target=_serve, args=(listening, desk), name="mainstem-socket", daemon=True
    )
    server.start()
    try:
        yield
    finally:
        desk.close()
        # Closing alone does not wake a thread that accepts.
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        server.join()
        with suppress(FileNotFoundError):
            _forget(folder)


def _address(folder: Path) -> Path:
    plain = folder / NAME
    if len(os.fsencode(plain)) <= LONGEST:
        return plain
    # Only we can enter it.
    address = Path(tempfile.mkdtemp(prefix="mainstem-")) / NAME
    pointer = folder / POINTER
    pointer.write_text(str(address), encoding="utf-8")
    pointer.chmod(0o600)
    return address


def _forget(folder: Path) -> None:
    pointer = folder / POINTER
    if pointer.exists():
        inner = Path(pointer.read_text(encoding="utf-8")).parent
        if inner.name.startswith("mainstem-") and inner.stat().st_uid == os.getuid():
            shutil.rmtree(inner, ignore_errors=True)
        pointer.unlink()
    (folder / NAME).unlink()


def _listening(address: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before it has a name: nobody else can connect in between.
        os.fchmod(found.fileno(), 0o600)
        found.bind(str(address))
        address.chmod(0o600)
        found.listen(16)
    except BaseException:
        found.close()
        raise
    return found


def _serve(listening: socket.socket, desk: Desk) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return  # closed: the run ends
        threading.Thread(
            target=_answer, args=(connection, desk), name="mainstem-answer", daemon=True
        ).start()


def _answer(connection: socket.socket, desk: Desk) -> None:
    with connection, suppress(OSError):
        connection.settimeout(ASK_S)
        reply = _reply(connection, desk)
        connection.settimeout(WAIT_S)
        connection.sendall(reply)


def _reply(connection: socket.socket, desk: Desk) -> bytes:
    try:
        with connection.makefile("rb") as lines:
            return _told(lines.readline(MOST_ASKED + 1), desk)
    except MainstemError as error:
        return _refusal(error)
    except Exception as error:  # noqa: BLE001  whatever was asked, the run goes on and the asker hears
        return _refusal(InternalError(f"{type(error).__name__}: {error}"))


def _told(asked: bytes, desk: Desk) -> bytes:
    """Give the answer to a line."""
    if not asked.endswith(b"\n"):
        raise DataError(
            f"a question has at most {MOST_ASKED:,} bytes", code="QuestionTooLarge",
            fix="ask a shorter one, or ask when the run has ended",
        )  # fmt: skip
    question = json.loads(asked)
    facts = desk.ask(str(question.get("ask")), dict(question.get("facts") or {}))
    text = json.dumps(to_wire(facts)).encode() + b"\n"
    if len(text) > MOST_ANSWERED:
        raise DataError(
            f"the answer has {len(text):,} bytes; a running stream gives at most {MOST_ANSWERED:,}",
            code="AnswerTooLarge",
            fix="ask for fewer columns or rows, or ask when the run has ended",
        )  # fmt: skip
    return text


def _refusal(error: MainstemError) -> bytes:
    finding = error.findings[0]
    told = {
        "kind": type(error).__name__, "code": finding.code, "what": finding.what,
        "fix": finding.fix, "line": finding.where.line, "column": finding.where.column,
        "file": finding.where.file, "snippet": finding.snippet,
    }  # fmt: skip
    return json.dumps({"error": told}).encode() + b"\n"


def ask(folder: Path, kind: str, **facts: Any) -> dict[str, Any] | None:
    """Ask the stream that runs on a state directory; None when none answers there.

    Raises
    ------
    MainstemError
        What the run says against it.
    """  # noqa: DOC501 - built by a function
    connection = _connected(folder)
    if connection is None:
        return None
    with connection:
        connection.settimeout(None if kind in SLOW else WAIT_S)
        try:
            connection.sendall(json.dumps({"ask": kind, "facts": facts}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                reply = lines.readline()
        except OSError as error:
            raise _gone(folder) from error
    if not reply.endswith(b"\n"):
        raise _gone(folder)
    answer: dict[str, Any] = json.loads(reply)
    if "error" in answer:
        raise _raised(answer["error"])
    return dict(from_wire(answer))


def _connected(folder: Path) -> socket.socket | None:
    pointer = folder / POINTER
    address = Path(pointer.read_text(encoding="utf-8")) if pointer.exists() else folder / NAME
    if len(os.fsencode(address)) > LONGEST or not address.exists():
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(ASK_S)
        connection.connect(str(address))
    except ConnectionRefusedError:
        # What a killed run has left.
        connection.close()
        return None
    except PermissionError as error:
        connection.close()
        raise StateError(
            f"the run at {folder} belongs to another user, and answers that one only",
            code="RunNotYours", fix="ask as the user who runs it",
        ) from error  # fmt: skip
    except OSError:
        connection.close()
        return None
    return connection


def _gone(folder: Path) -> StateError:
    return StateError(
        f"the run at {folder} ended before it had answered", code="RunNotAnswering",
        fix="ask again: without a run the saved state answers",
    )  # fmt: skip


def _raised(told: dict[str, Any]) -> MainstemError:
    """Give the error that the run told."""
    kind = getattr(errors, told["kind"], MainstemError)
    is_ours = isinstance(kind, type) and issubclass(kind, MainstemError)
    error: MainstemError = (kind if is_ours else MainstemError)(told["what"], code=told["code"])
    place = errors.Place(told["file"], told["line"], told["column"])
    error.finding = Finding(told["code"], told["what"], place, told["fix"], snippet=told["snippet"])
    return error
