"""LMDB databases (http://www.lmdb.tech), read by the package lmdb.

LMDB maps `data.mdb` into memory. To read a page beyond the end of the file kills the process, so the length of the file
is compared with the meta pages before the library opens it.
"""

import os
import struct
import threading
import weakref
from typing import Any

__all__ = ["LMDB"]

_META = struct.Struct("<16x I I 16x I 92x Q Q")  # page header; magic, version, page size, last page, transaction
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_PAGE_SIZES = [1 << bits for bits in range(8, 17)]


class LMDB:
    """A database of values under keys, both bytes.

    Each process opens the database for itself when it first reads. Several threads may read at once. The object pickles
    as the path.

    Args:
        path: the folder that holds `data.mdb`.

    Raises:
        ImportError: lmdb is not installed.
        FileNotFoundError: `data.mdb` is missing.
        ValueError: it is truncated or damaged; the message names it.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.path.realpath(path)
        self._opened: tuple[int, _Environment] | None = None
        self._environment()

    def keys(self) -> list[bytes]:
        """All keys, in the order of the database."""
        environment = self._environment()
        try:
            with environment.handle.begin() as transaction:
                keys = list(transaction.cursor().iternext(keys=True, values=False))
                count = transaction.stat()["entries"]
        except environment.error as error:
            raise ValueError(f"{self.path} is damaged: {error}") from error
        if len(keys) != count:
            raise ValueError(f"{self.path} is damaged: it holds {len(keys)} keys and claims {count}")
        return keys

    def __getitem__(self, key: bytes) -> bytes:
        environment = self._environment()
        try:
            with environment.handle.begin() as transaction:
                value = transaction.get(key)
        except environment.error as error:
            raise ValueError(f"{self.path} is damaged: {error}") from error
        if value is None:
            raise KeyError(key)
        return value

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def _environment(self) -> "_Environment":
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), _shared_environment(self.path)
        return self._opened[1]


class _Environment:
    """An open database. It is closed when nothing refers to it any more."""

    def __init__(self, path: str):
        try:
            import lmdb
        except ImportError as error:
            raise ImportError('LMDB databases are read by lmdb: pip install "funcvision[datasets]"') from error
        _check_length(os.path.join(path, "data.mdb"))
        self.error = lmdb.Error
        try:
            self.handle = lmdb.open(path, readonly=True, lock=False, readahead=False, create=False, max_readers=1)
        except lmdb.Error as error:
            raise ValueError(f"{path} is damaged or no LMDB database: {error}") from error


_lock = threading.Lock()
_environments: "weakref.WeakValueDictionary[tuple[int, str], _Environment]" = weakref.WeakValueDictionary()


def _forget_after_fork() -> None:
    """Closes what the parent process opened: the child must not use it, and lmdb would not open it again beside it."""
    global _lock
    _lock = threading.Lock()
    for environment in list(_environments.values()):
        environment.handle.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def _shared_environment(path: str) -> _Environment:
    """The one open environment of a database in this process: lmdb refuses to open a second one."""
    with _lock:
        environment = _environments.get((os.getpid(), path))
        if environment is None:
            environment = _environments[os.getpid(), path] = _Environment(path)
        return environment


def _check_length(path: str) -> None:
    """ValueError unless a file is as long as its newer meta page says."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = _read_meta(file.read(_META.size))
        if first is None:
            raise ValueError(f"{path} ({size} bytes) is damaged, truncated or no LMDB database of this kind of machine")
        file.seek(first[0])
        second = _read_meta(file.read(_META.size))
    if second is None or second[0] != first[0]:
        raise ValueError(f"{path} ({size} bytes) is damaged or truncated: its second page is no meta page")
    page_size = first[0]
    last_page = max(first, second, key=lambda meta: meta[2])[1]
    if (last_page + 1) * page_size > size:
        raise ValueError(
            f"{path} is truncated: it needs {(last_page + 1) * page_size} bytes and holds {size}; fetch it again"
        )


def _read_meta(page: bytes) -> tuple[int, int, int] | None:
    """Page size, last page and transaction of a meta page; None if it is none."""
    if len(page) < _META.size:
        return None
    magic, version, page_size, last_page, transaction = _META.unpack(page)
    if magic != _MAGIC or version != _VERSION or page_size not in _PAGE_SIZES:
        return None
    return page_size, last_page, transaction
