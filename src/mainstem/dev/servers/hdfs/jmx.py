"""What a NameNode says of itself and of its DataNodes, on the page that it has for programs."""

from __future__ import annotations

import json
from typing import Any

from mainstem.dev.web import NoAnswer, get
from mainstem.record import record


@record
class Status:
    """What a NameNode knows.

    Parameters
    ----------
    datanodes : frozenset of int
        Ports of the DataNodes that it takes for alive.
    is_safe_mode : bool
        Whether nobody may write.
    n_short : int
        How many blocks have fewer copies than they should.
    """

    datanodes: frozenset[int]
    is_safe_mode: bool
    n_short: int


def ask(port: int) -> Status:
    """Give what the NameNode with its web page at this port knows.

    Raises
    ------
    NoAnswer
        When nobody listens there, or it takes longer than two seconds.
    """
    return read(get(port, "/jmx?qry=Hadoop:service=NameNode,name=*"))


def read(text: bytes) -> Status:
    """Give what an answer says.

    Raises
    ------
    NoAnswer
        When no NameNode wrote it, or it has only begun to start.
    """
    try:
        beans: dict[str, dict[str, Any]] = {
            bean["name"].rpartition("name=")[2]: bean for bean in json.loads(text)["beans"]
        }
        info, system = beans["NameNodeInfo"], beans["FSNamesystem"]
        alive = json.loads(info["LiveNodes"]).values()
        ports = frozenset(int(node["xferaddr"].rpartition(":")[2]) for node in alive)
        return Status(ports, bool(info["Safemode"]), system["UnderReplicatedBlocks"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoAnswer("its answer is not that of a NameNode that has started") from error
