"""A client of schema registries (Confluent's REST interface): schemas by their number, asked for once."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import urlsplit

from mainstem.errors import NOWHERE, DataError, OutsideError, Place, SettingsError

TIMEOUT_S = 10.0
TRIES = 4
_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    """Gives schemas by number.

    Parameters
    ----------
    url : str
        Such as ``http://host:8081``; a path is kept.
    username, password : str
        Basic authentication; none when both are empty.
    where : Place
        Of the source, for messages.
    """

    def __init__(
        self, url: str, *, username: str = "", password: str = "", where: Place = NOWHERE
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise SettingsError(
                f"schema_registry is {url!r}, no address", where=where, code="OptionType",
                fix='write schema_registry="http://host:8081"',
            )  # fmt: skip
        self.url = url.rstrip("/")
        self.where = where
        self._headers = {"Accept": _TYPE}
        if username or password:
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        # A number means one schema for ever; so does the number of an unknown one, which a message may
        # hold a million times.
        self._known: dict[int, Any] = {}

    def schema(self, number: int) -> Any | None:
        """Give the Avro schema of a number as JSON-like data; None when there is none.

        Raises
        ------
        OutsideError
            When the registry cannot be reached, or refuses the user.
        DataError
            When it holds a schema that is not Avro.
        """
        if number not in self._known:
            self._known[number] = self._fetch(number)
        return self._known[number]

    def _fetch(self, number: int) -> Any | None:
        found = self._get(f"/schemas/ids/{number}")
        if found is None:
            return None
        kind = found.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise DataError(
                f"schema {number} of {self.url} is {kind}, not Avro", where=self.where,
                code="SchemaNotAvro", fix="read the topic with the format that it is written in",
            )  # fmt: skip
        schema = json.loads(found["schema"])
        named: list[Any] = []
        self._references(found.get("references", []), named, set())
        return {"schema": schema, "named": named}

    def _references(self, references: list[Any], named: list[Any], seen: set[str]) -> None:
        """Add the schemas that others name, those first that are named by the next."""
        for one in references:
            subject = f"/subjects/{one['subject']}/versions/{one['version']}"
            if subject in seen:
                continue
            seen.add(subject)
            found = self._get(subject)
            if found is not None:
                self._references(found.get("references", []), named, seen)
                named.append(json.loads(found["schema"]))

    def _get(self, path: str) -> Any | None:
        """Ask for a path; None when it is not there. Tried again while the registry is not ready."""
        from urllib.error import HTTPError, URLError
        from urllib.request import Request, urlopen

        request = Request(self.url + path, headers=self._headers)  # noqa: S310 - http or https
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(0.2 * 2**attempt)
            try:
                with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                    return json.load(answer)
            except HTTPError as error:
                reason = f"{error.code} {error.reason}"
                with error:
                    if error.code == 404:
                        return None
                if error.code < 500 and error.code != 429:
                    break
            except (URLError, TimeoutError, ConnectionError, ValueError) as error:
                reason = str(getattr(error, "reason", error))
        is_user = reason[:3] in ("401", "403")
        raise OutsideError(
            f"the schema registry {self.url} does not answer {path}: {reason}", where=self.where,
            code="RegistryUnreachable",
            fix="correct registry_username and registry_password" if is_user
            else "start it, or correct schema_registry",
        )  # fmt: skip
