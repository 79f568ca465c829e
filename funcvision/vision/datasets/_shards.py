"""Shards of WebDataset: their addresses, and the samples in them."""

import io
import itertools
import lzma
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..archive import decompressing
from ..download import DownloadError, stream_url
from ._formats import read_tar

__all__ = ["expand", "read_samples"]

_MOST_SHARDS = 1_000_000  # that one pattern may stand for
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_SAMPLE = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)", re.DOTALL)
_MEMBER = 512  # bytes that a file counts in addition to its content


def expand(urls: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """The shards that paths, addresses and patterns with braces stand for.

    Raises:
        ValueError: a pattern or the kind of an address is not valid, or there is none.

    >>> expand("train-{08..10}.tar")
    ['train-08.tar', 'train-09.tar', 'train-10.tar']
    >>> expand(["{a,b}-{0..1}.tar"])
    ['a-0.tar', 'a-1.tar', 'b-0.tar', 'b-1.tar']
    """
    given = [urls] if isinstance(urls, str | os.PathLike) else list(urls)
    found = [one for url in given for one in _expanded(os.fspath(url))]
    if not found:
        raise ValueError("urls is empty; give at least one shard")
    for url in found:
        kind = re.match(r"([a-z0-9+.-]+):", url, re.IGNORECASE)
        if kind and kind[1] not in ("http", "https") and not os.path.exists(url):
            raise ValueError(f"{url!r} is neither a path nor an address that starts with http:// or https://")
    return found


def _expanded(pattern: str) -> list[str]:
    *literals, last = _BRACES.split(pattern)[::2]
    groups = [_choices(inner, pattern) for inner in _BRACES.findall(pattern)]
    total = 1
    for group in groups:
        total *= len(group)
    if total > _MOST_SHARDS:
        raise ValueError(f"{pattern!r} stands for {total} shards, more than {_MOST_SHARDS}")
    return [
        "".join(literal + one for literal, one in zip(literals, chosen, strict=True)) + last
        for chosen in itertools.product(*groups)
    ]


def _choices(inner: str, pattern: str) -> Sequence[str]:
    """What a pair of braces stands for: a range of numbers, or alternatives."""
    numbers = _RANGE.fullmatch(inner)
    if numbers is None:
        if "," not in inner:
            raise ValueError(f"{pattern!r} has braces around {inner!r}; expected numbers {{000..123}} or {{a,b}}")
        return inner.split(",")
    first, last = int(numbers[1]), int(numbers[2])
    if not 0 <= last - first < _MOST_SHARDS:
        raise ValueError(f"{pattern!r} has the range {inner!r}, which is empty or longer than {_MOST_SHARDS}")
    width = len(numbers[1]) if numbers[1].startswith("0") else 0
    return [f"{number:0{width}}" for number in range(first, last + 1)]


def read_samples(url: str, limit: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and files of each sample in a shard, in its order.

    Neighbouring files belong to one sample if their names are equal up to the first dot after the last slash: the key.
    What follows the dot, in small letters, tells the files apart. Names without a key or a dot are left out.

    Args:
        url: a path or an address.
        limit: the largest number of bytes of a sample.

    Raises:
        ValueError: the shard is damaged or truncated, or a sample is too large; the message names the shard.
        DownloadError: the shard cannot be fetched.
        OSError: the file cannot be opened.
    """
    key, files, left = None, {}, limit
    try:
        with _opened(url) as raw, decompressing(raw) as stream:
            for name, content in read_tar(stream, limit):
                match = _SAMPLE.fullmatch(name)
                if match is None:
                    continue
                if match[1] != key:
                    if key is not None:
                        yield key, files
                    key, files, left = match[1], {}, limit
                left -= len(content) + _MEMBER
                if left < 0:
                    raise ValueError(f"its sample {key!r} has more than {limit} bytes")
                if (ending := match[2].lower()) in files:
                    raise ValueError(f"it has {name!r} twice")
                files[ending] = content
    except (ValueError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, DownloadError) or (isinstance(error, OSError) and error.errno is not None):
            raise  # of the network or the system, and names the address or the path
        raise ValueError(f"the shard {url} is damaged or no tar archive: {error}") from error
    if key is not None:
        yield key, files


def _opened(url: str) -> io.BufferedReader:
    if url.startswith(("http://", "https://")):
        return io.BufferedReader(_Streamed(url), 1 << 18)
    return open(os.path.expanduser(url), "rb")


class _Streamed(io.RawIOBase):
    """What a server sends, as a file."""

    def __init__(self, url: str):
        self._chunks, self._rest = stream_url(url), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._chunks, b"")
        view = memoryview(buffer)
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def close(self) -> None:
        self._chunks.close()  # pyright: ignore[reportAttributeAccessIssue], it is a generator
        super().close()
