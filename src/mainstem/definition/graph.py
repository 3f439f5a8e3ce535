"""Which step reads what: names in FROM, in order, and the order in which steps can be bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mainstem.plan import tree as t
from mainstem.record import record


@record
class Reads:
    """The sources and steps that a query reads, in order of first use."""

    names: tuple[str, ...]

    def spelled(self, known: Iterable[str]) -> Reads:
        """Give the names as they were declared; unknown ones as they are."""
        declared = {name.lower(): name for name in known}
        spelled = [declared.get(name.lower(), name) for name in self.names]
        return Reads(tuple(dict.fromkeys(spelled)))


def reads_of(query: t.Query) -> Reads:
    """Give what a parsed query reads; the names of its own WITH queries are not among them."""
    return Reads(tuple(dict.fromkeys(_names(query, frozenset()))))


def _names(node: t.Node, hidden: frozenset[str]) -> Iterator[str]:
    if isinstance(node, t.Query):
        for cte in node.ctes:
            # A plain WITH query does not see itself: in `WITH v AS (SELECT … FROM v)` the inner v
            # is the step.
            own = {cte.name.lower()}
            yield from _names(cte.query, hidden | own if node.is_recursive else hidden)
            hidden |= own
        rest = [child for child in t.children(node) if not isinstance(child, t.Cte)]
        for child in rest:
            yield from _names(child, hidden)
        return
    if isinstance(node, t.Table) and node.name.lower() not in hidden:
        yield node.name
    for child in t.children(node):
        yield from _names(child, hidden)


def sorted_steps(reads: Mapping[str, Reads], known: Sequence[str]) -> list[str]:
    """Give the steps so that each comes after those that it reads, else as declared.

    Steps of a circle, and steps that read unknown names, come last: by then the binder knows every
    other name and can say the nearest one.
    """
    names = set(known)
    order: list[str] = []
    waiting = list(reads)
    while waiting:
        ready = [
            name for name in waiting
            if not any(read in waiting or read not in names for read in reads[name].names)
        ]  # fmt: skip
        if not ready:
            break
        order.append(ready[0])
        waiting.remove(ready[0])
    # What still waits reads a circle or an unknown name, perhaps through others.
    return order + _by_depth(waiting, reads)


def _by_depth(waiting: list[str], reads: Mapping[str, Reads]) -> list[str]:
    order: list[str] = []
    rest = list(waiting)
    while rest:
        free = [name for name in rest if not any(r in rest for r in reads[name].names)]
        order += free or rest
        rest = [name for name in rest if name not in order]
    return order


def circles(reads: Mapping[str, Reads]) -> list[tuple[str, ...]]:
    """Give each circle once, closed: ``("a", "b", "a")``."""
    found: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in reads:
        circle = _circle_from(start, reads, done)
        if circle:
            found.append(circle)
    return found


def _circle_from(start: str, reads: Mapping[str, Reads], done: set[str]) -> tuple[str, ...]:
    """Follow reads depth first, without recursion: chains may be longer than Python's stack."""
    if start in done:
        return ()
    path: list[str] = [start]
    branches = [iter(reads[start].names)]
    while path:
        step = next(branches[-1], None)
        if step is None:
            done.add(path.pop())
            branches.pop()
        elif step in path:
            circle = (*path[path.index(step) :], step)
            done.update(path)
            return circle
        elif step in reads and step not in done:
            path.append(step)
            branches.append(iter(reads[step].names))
    return ()
