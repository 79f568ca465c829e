"""For how long jax promises to run a program, in words.

https://docs.jax.dev/en/latest/export/export.html#compatibility-guarantees: jax runs programs that were exported up to
six months before its own release. It promises little the other way round.
"""

import datetime
import re
import warnings
from typing import Any

import jax
import jax.export

from ._file import ExportError

__all__ = ["check_promise", "promise"]

_MONTHS = 6


def promise(written_by: dict[str, Any]) -> str:
    """What jax promises for a program, given the entry "jax" of a file's header."""
    return (
        f"written by jax {written_by['version']} on {written_by['written']}; jax promises that its releases until "
        f"{_end(written_by)} run it"
    )


def check_promise(where: str, written_by: dict[str, Any]) -> None:
    """Refuses programs that this version of jax cannot run, and warns where jax does not promise to run them.

    Args:
        where: the path of the file, for messages.
        written_by: the entry "jax" of the file's header.

    Raises:
        ExportError: the calling convention of the program is not one that this version of jax supports.
    """
    low = jax.export.minimum_supported_calling_convention_version
    high = jax.export.maximum_supported_calling_convention_version
    version, sentence = written_by["calling_convention"], promise(written_by)
    if not low <= version <= high:
        remedy = "export the model again" if version < low else f"install jax {written_by['version']} or newer"
        raise ExportError(
            f"{where} has calling convention {version}, and jax {jax.__version__} runs {low} to {high}: {remedy} "
            f"({sentence})"
        )
    if _numbers(jax.__version__) < _numbers(written_by["version"]):
        warnings.warn(f"{where}: this is the older jax {jax.__version__}, which may fail ({sentence})", stacklevel=3)
    elif _numbers(jax.__version__) > _numbers(written_by["version"]) and datetime.date.today() > _end(written_by):
        warnings.warn(
            f"{where}: jax {jax.__version__} may be too new; export the model again ({sentence})", stacklevel=3
        )


def _end(written_by: dict[str, Any]) -> datetime.date:
    """The day six months after the file was written; the 28th for later days of a month."""
    day = datetime.date.fromisoformat(written_by["written"])
    years, month = divmod(day.month - 1 + _MONTHS, 12)
    return datetime.date(day.year + years, month + 1, min(day.day, 28))


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, such as (0, 10, 2) for "0.10.2.dev1"."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()
