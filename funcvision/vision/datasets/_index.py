"""Lists of the files in a folder for each class, remembered for large data sets.

The list of a large data set lies in `$FUNCVISION_HOME/index`, since the folder of the data set may be read-only. The
list of a class holds as long as its folder, and every folder in it, keeps its inode and its times of modification and
change. Adding, removing or renaming a file changes the time of its folder. Writing to a file or replacing it by one of
the same name may not, but it does not change the list of names either.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import time
import warnings
import zlib
from collections.abc import Iterable, Sequence

from ..._home import home

__all__ = ["Files", "list_classes"]

_VERSION = 1  # of the format of an index
_SMALLEST = 10_000  # files: listing fewer takes less than 0.1 s, so that is not worth remembering
_SETTLED_NS = 2_000_000_000  # a folder that changed later may change again without a new time (FAT counts in 2 s)


@dataclasses.dataclass
class Files:
    """The files of one folder.

    Attributes:
        folder: the path of the folder in the folder of its class; "" is that folder itself.
        stamp: the inode and the times of the folder.
        names: the names of the files, sorted.
    """

    folder: str
    stamp: list[int]
    names: list[str]


def list_classes(directory: str, classes: Iterable[str], endings: Sequence[str] | None) -> dict[str, list[Files]]:
    """The files of every class, from the index where it holds and from the folders elsewhere.

    Symbolic links to folders are followed, but not in a circle: a link to a folder that contains it is left out with a
    warning.

    Args:
        directory: the folder that holds a folder for each class.
        classes: the names of those folders. A class without a folder has no files.
        endings: the endings of the names of files to take, in small letters; None: all files.

    Returns:
        For each class, its folder and the folders in it, sorted by path.
    """
    key = "\0".join([os.path.realpath(directory), *("*" if endings is None else endings)])
    path = home() / "index" / hashlib.sha256(os.fsencode(key)).hexdigest()[:32]
    known, found, changed, start = _load(path), {}, False, time.time_ns()
    lasting: dict[str, list[Files]] = {}
    for name in classes:
        top = os.path.join(directory, name)
        files = known.get(name)
        if files is None or any(_stamp(os.path.join(top, one.folder)) != one.stamp for one in files):
            files, complete = _walk(top, endings)
            changed = True
        else:
            complete = True
        found[name] = files
        if complete and all(max(one.stamp[1:]) < start - _SETTLED_NS for one in files):
            lasting[name] = files
    if changed and sum(len(one.names) for files in lasting.values() for one in files) >= _SMALLEST:
        with contextlib.suppress(OSError):  # without a writable home the folders are listed every time
            _save(path, lasting)
    return found


def _stamp(folder: str) -> list[int]:
    try:
        status = os.stat(folder)
    except OSError:
        return []  # of no folder; the walk then says what is wrong with it
    return [status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _walk(top: str, endings: Sequence[str] | None) -> tuple[list[Files], bool]:
    """The files in a folder and the folders in it, and whether that is all, without links in a circle."""
    if not os.path.isdir(top):
        return [], False
    found, complete, taken = [], True, None if endings is None else tuple(endings)
    # The time of a folder is taken before its files are listed: a file that is added meanwhile makes the time differ.
    stamps = {top: _stamp(top)}
    for parent, folders, names in os.walk(top, followlinks=True, onerror=_raise):
        names = names if taken is None else [name for name in names if name.lower().endswith(taken)]
        names.sort()
        found.append(Files(parent[len(top) + 1 :], stamps.pop(parent), names))
        for name in [name for name in folders if _leads_back(top, parent, name)]:
            complete = False
            folders.remove(name)  # os.walk goes into what is left
            link = os.path.join(parent, name)
            warnings.warn(
                f"{link} is a link to {os.path.realpath(link)}, a folder that contains it; it is not followed",
                stacklevel=2,
            )
        stamps.update((path, _stamp(path)) for path in (os.path.join(parent, name) for name in folders))
    return sorted(found, key=lambda files: os.path.join(top, files.folder) if files.folder else top), complete


def _leads_back(top: str, parent: str, name: str) -> bool:
    """Whether a folder in `parent` is a link to `parent`, to a folder from `top` down to it, or to one around those."""
    link = os.path.join(parent, name)
    if not os.path.islink(link):
        return False
    target, way = os.path.realpath(link), [parent]
    while len(way[-1]) > len(top):
        way.append(os.path.dirname(way[-1]))
    return any(pathlib.Path(os.path.realpath(folder)).is_relative_to(target) for folder in way)


def _raise(error: OSError) -> None:
    raise error


def _save(path: pathlib.Path, classes: dict[str, list[Files]]) -> None:
    """Writes an index: a line of JSON that describes the folders, and the names of all files with zeros between."""
    names = "\0".join(name for files in classes.values() for one in files for name in one.names)
    content = os.fsencode(names)
    folders = {
        name: [(one.folder, one.stamp, len(one.names)) for one in files] for name, files in classes.items()
    }  # fmt: skip
    header = {"version": _VERSION, "checksum": zlib.crc32(content), "classes": folders}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(json.dumps(header).encode() + b"\n" + content)
    os.replace(part, path)


def _load(path: pathlib.Path) -> dict[str, list[Files]]:
    """The classes in an index; none if there is no index or it is damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        line, _, content = path.read_bytes().partition(b"\n")
        header = json.loads(line)
        if header["version"] != _VERSION or header["checksum"] != zlib.crc32(content):
            return {}
        names, position, classes = os.fsdecode(content).split("\0"), 0, {}
        for name, folders in header["classes"].items():
            classes[name] = []
            for folder, stamp, count in folders:
                classes[name].append(Files(folder, stamp, names[position : position + count]))
                position += count
        return classes
    return {}
