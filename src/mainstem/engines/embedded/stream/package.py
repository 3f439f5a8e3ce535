"""Packages of extras that a stream needs."""

from __future__ import annotations

import importlib
from typing import Any

from mainstem.errors import NOWHERE, Place, SettingsError


def package(module: str, *, what: str, extra: str, where: Place = NOWHERE) -> Any:
    """Give a package that comes with an extra.

    Parameters
    ----------
    module : str
        As it is imported; with hyphens it is the package's name.
    what : str
        What needs it, for the message.
    extra : str
        What installs it.
    where : Place, optional
        The declaration that needs it.

    Raises
    ------
    SettingsError
        When it is not installed; the command is in the fix.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"{what} needs the package {module.replace('_', '-')} ({error})", where=where,
            code="PackageMissing", fix=f"pip install 'mainstem[{extra}]'",
        ) from error  # fmt: skip
