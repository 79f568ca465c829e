"""Options and files of data sets that are found by patterns of names."""

import glob
import os
from collections.abc import Collection

__all__ = ["choice", "matching"]


def choice(option: str, value: str, choices: Collection[str]) -> str:
    """An option's value; ValueError unless it is one of the choices."""
    if value not in choices:
        raise ValueError(f"{option}={value!r} is none of the choices: {', '.join(choices)}")
    return value


def matching(folder: str, pattern: str) -> list[str]:
    """The paths of the files or folders in a folder that match a pattern, sorted.

    Raises:
        FileNotFoundError: there are none.
    """
    found = sorted(glob.glob(pattern, root_dir=folder))
    if not found:
        raise FileNotFoundError(f"there is no {pattern} in {folder}: check that root holds the published folders")
    return [os.path.join(folder, name) for name in found]
