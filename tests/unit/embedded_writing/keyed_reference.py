"""What merge and history mean, in slow plain Python over lists of dicts.

A change is a dict of the table's columns; ``op == "D"`` removes. Both functions look at all
changes of all runs at once, so a sink that was fed run by run must end up the same.
"""


def merged(runs, key, sequence):
    """Rows by key: the newest change of each, unless it removes; a later run wins a tie."""
    best = {}
    for at, run in enumerate(runs):
        for row in run:
            rank = (row[sequence], at, values(row))
            name = tuple(row[k] for k in key)
            if name not in best or rank > best[name][0]:
                best[name] = (rank, row)
    return sorted((row for _, row in best.values() if row["op"] != "D"), key=values)


def versions(runs, key, sequence, tracked):
    """Rows with the span in which they held."""
    events = {}
    for at, run in enumerate(runs):
        for row in run:
            spot = (tuple(row[k] for k in key), row[sequence])
            rank = (at, values(row))
            if spot not in events or rank > events[spot][0]:
                events[spot] = (rank, row)
    made = []
    for name in {spot[0] for spot in events}:
        line = sorted((seq, row) for (other, seq), (_, row) in
                      ((s, e) for s, e in events.items()) if other == name)  # fmt: skip
        made += one_line(line, tracked)
    return sorted(made, key=values)


def one_line(line, tracked):
    """The versions of one key, from its events in order."""
    made, current = [], None
    for seq, row in line:
        if row["op"] == "D":
            if current:
                current |= {"valid_to": seq, "is_current": False}
            current = None
        elif current is None or any(row[c] != current[c] for c in tracked):
            if current:
                current |= {"valid_to": seq, "is_current": False}
            current = row | {"valid_from": seq, "valid_to": None, "is_current": True}
            made.append(current)
    return made


def values(row):
    """A row as something that can be ordered; NULL is less than anything."""
    return tuple((v is not None, v) for v in row.values())
