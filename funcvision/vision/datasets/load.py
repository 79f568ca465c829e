"""Opening a data set by its name."""

import importlib
import inspect
import os
from collections.abc import Mapping
from typing import Any

from .catalogue import DatasetInfo, describe

__all__ = ["load"]


def load(
    name: str, root: str | os.PathLike[str] | None = None, /, split: Any = None, *, download: bool = False,
    **options: Any,
) -> Any:
    """A data set, by its name.

    Args:
        name: one of `list_datasets()`.
        root: the folder for data sets, as the class takes it. `fakedata` needs none.
        split: "train", "test", "val" and so on; `describe(name).splits` has the names. It stands for the argument of
            the class that chooses the part, whatever that is called: `split`, `train`, `image_set`, `background`. None
            is the default of the class. Where the parts are different files or folders, as COCO's, it must be None.
        download: whether to fetch what is missing, where a program can. Where a person has to, the data set opens if
            the files are in their place, and otherwise the error says what to fetch from where.
        **options: other arguments of the class, such as `transform`, `target_type` or `annFile`.

    Returns:
        The data set. `categories` has the names of its classes, if it has classes.

    Raises:
        ValueError: there is no data set of that name, no such split or no such option, or an option is missing.
        FileNotFoundError: a file is missing; the message says how to get it.
        DownloadError: no mirror sent a file.

    >>> from funcvision.vision import datasets
    >>> len(datasets.load("fakedata", size=8))
    8
    """
    info = describe(name)
    kind = getattr(importlib.import_module(__package__ or ""), info.class_name)
    chosen = {} if split is None else info.split_options(split)
    if twice := chosen.keys() & options.keys():
        raise ValueError(f"split={split!r} is the option {min(twice)!r} of {info.class_name}: give one of the two")
    arguments = options | chosen
    known = inspect.signature(kind).parameters
    if "root" in known:
        if root is None:
            raise ValueError(f"{info.name} needs the folder of its files: load({info.name!r}, root)")
        arguments["root"] = root
    elif root is not None:
        raise ValueError(f"{info.name} has no files, and got the folder {os.fspath(root)!r}: leave it out")
    if "download" in known:
        arguments["download"] = download
    _check(info, arguments, known)
    return kind(**arguments)


def _check(info: DatasetInfo, given: dict[str, Any], known: Mapping[str, inspect.Parameter]) -> None:
    """Raises ValueError if the class has no argument of a given name, or needs one that is not given."""
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())  # it checks them itself
    if not open_ended and (unknown := given.keys() - known.keys()):
        others = [name for name in known if name not in ("root", "download")]
        raise ValueError(f"{info.name} has no option {min(unknown)!r}; it has {', '.join(others)}")
    for name, parameter in known.items():
        needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        if needed and name not in given:
            choices = f", one of {', '.join(info.splits)}" if name == info.argument else ""
            raise ValueError(f"{info.name} needs the option {name!r}{choices}")
