"""Remembers which programs have passed the inspection on this machine, so that a file is inspected once.

A verdict is an empty file in a folder of the user's cache, named by a digest of the programs and of the versions that
read them. Whoever can write into the folder could make a program pass without an inspection. So the folder must belong
to the user, and nobody else may have the right to write into it; otherwise nothing is remembered.
"""

import hashlib
import os
import pathlib
import stat
from collections.abc import Sequence

from jaxlib.version import __version__ as jaxlib_version

from .._home import home

__all__ = ["digest", "has_passed", "remember"]

_RULES = 1  # counts changes of what `_inspect` refuses


def digest(programs: Sequence[bytes]) -> str:
    """The name of the verdict on the programs of a file."""
    hashed = hashlib.sha256(f"rules {_RULES}, jaxlib {jaxlib_version}".encode())
    for program in programs:
        hashed.update(len(program).to_bytes(8, "little"))
        hashed.update(program)
    return hashed.hexdigest()


def has_passed(name: str) -> bool:
    """Whether programs have passed an inspection on this machine."""
    folder = _folder()
    return _is_private(folder) and (folder / name).is_file()


def remember(name: str) -> None:
    """Notes that programs have passed. It does nothing where the folder cannot be made or is not private."""
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_private(folder):
            (folder / name).touch(mode=0o600)
    except OSError:  # a read-only home: the file is inspected each time
        return


def _folder() -> pathlib.Path:
    return home() / "inspected"


def _is_private(folder: pathlib.Path) -> bool:
    """Whether this is a folder, and no link, that belongs to the user and that only the user may write into."""
    if not hasattr(os, "geteuid"):  # Windows, where permissions are not read this way
        return False
    try:
        found = folder.lstat()
    except OSError:
        return False
    own = found.st_uid == os.geteuid()
    return stat.S_ISDIR(found.st_mode) and own and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
