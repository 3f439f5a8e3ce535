"""What there is to know of the bytes of a text file before DuckDB may read it."""

from __future__ import annotations

from collections.abc import Callable

from mainstem.connectors.files.listing import InputFile
from mainstem.engines.embedded.reading.guard import Scanned, Workspace, has_extra_fields
from mainstem.engines.embedded.reading.reference import csv_format, file_columns
from mainstem.engines.embedded.reading.statements import Layout, takes_all
from mainstem.errors import Place
from mainstem.record import record


@record
class Look:
    """How the files of a source are looked at.

    Parameters
    ----------
    layout : Layout
        What they share.
    where : Place
        Where the source is declared.
    workspace : Workspace
        Where copies go.
    """

    layout: Layout
    where: Place
    workspace: Workspace

    def head(self, file: InputFile) -> Scanned:
        """Look at the beginning of a file.

        Raises
        ------
        DataError
            When a header does not fit.
        """
        return self._seen(file, self.workspace.head)

    def whole(self, file: InputFile) -> Scanned:
        """Look at every byte; `Scanned.doubt` says why DuckDB may not read it.

        Raises
        ------
        DataError
            When a header does not fit or a compressed file is damaged.
        """
        scanned = self._seen(file, self.workspace.scan)
        if not scanned.doubt:
            scanned.doubt = self._doubt(scanned)
        return scanned

    def _seen(self, file: InputFile, look: Callable[..., Scanned]) -> Scanned:
        options = self.layout.options
        names, tail = None, b""
        if file.format in ("csv", "tsv"):
            names = file_columns(file, options, self.layout.schema, self.where)
            # What a line with too many fields ends with.
            tail = csv_format(options, file).delimiter.encode() * 2
        checks_utf8 = not takes_all(self.layout, names or ())
        scanned = look(file, options.member, tail=tail, checks_utf8=checks_utf8)
        scanned.names = names
        return scanned

    def _doubt(self, scanned: Scanned) -> str:
        file, options = scanned.file, self.layout.options
        if file.format not in ("csv", "tsv"):
            return "" if scanned.separators else "every control character occurs"
        if options.header and scanned.begins_empty:
            # DuckDB takes the empty line for the header, and the header for a row: as many rows as lines.
            return "an empty line before the header"
        if options.multiline and scanned.returns:
            return "carriage returns with multiline=True"
        spelling = csv_format(options, file)
        return "delimiters after the last column" if has_extra_fields(scanned, spelling) else ""
