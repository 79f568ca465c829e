"""Files in a tar archive that is read once from its beginning to its end, as from a network.

The format is that of POSIX, with the long names of GNU (https://www.gnu.org/software/tar/manual/html_node/Standard.html).
`tarfile` does not limit how much it reads into memory, and takes an archive that ends early for a whole one.
"""

import tarfile
from collections.abc import Iterator
from typing import IO

__all__ = ["read_tar"]

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20  # bytes that are read at a time, so that a wrong size takes no more memory than the file has
_LARGEST_HEADER = 1 << 20  # bytes of a long name or of the attributes of a member


def read_tar(stream: IO[bytes], limit: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of every regular file. Folders, links and devices are left out.

    Args:
        stream: the archive, not compressed.
        limit: the largest number of bytes that a member may have.

    Raises:
        ValueError: the archive is damaged or truncated, or a member is larger.
    """
    name, size = None, None  # of the next member, if a header before it says them
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise ValueError("it is cut off: the mark at the end of the archive is missing")
        if not any(block):
            for _ in range(limit // _CHUNK + 1):  # the checksum of a compressed stream is at its end
                if not stream.read(_CHUNK):
                    break
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise ValueError(f"it has a damaged header: {error}") from error
        if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            attributes = _attributes(_content(stream, header.size, _LARGEST_HEADER, "a header"))
            name, size = attributes.get(b"path", name), _number(attributes.get(b"size"))
        elif header.type == tarfile.GNUTYPE_LONGNAME:
            name = _content(stream, header.size, _LARGEST_HEADER, "a long name").rstrip(b"\0")
        elif header.type == tarfile.XGLTYPE or header.type == tarfile.GNUTYPE_LONGLINK:
            _content(stream, header.size, _LARGEST_HEADER, "a header")
        elif header.isreg() and header.type != tarfile.GNUTYPE_SPARSE:
            full = header.name if name is None else name.decode("utf-8", "surrogateescape")
            yield full, _content(stream, header.size if size is None else size, limit, repr(full))
            name = size = None
        elif header.type in tarfile.SUPPORTED_TYPES and header.type != tarfile.GNUTYPE_SPARSE:
            name = size = None  # a folder, a link or a device has no content
        else:
            raise ValueError(f"its member {header.name!r} is of the type {header.type!r}, which is not supported")


def _content(stream: IO[bytes], size: int, limit: int, what: str) -> bytes:
    """The next bytes. What fills up their last block is read too."""
    if not 0 <= size <= limit:
        raise ValueError(f"{what} has {size} bytes, and at most {limit} are read")
    left, chunks = size + -size % _BLOCK, []
    while left:
        chunk = stream.read(min(left, _CHUNK))
        if not chunk:
            raise ValueError(f"it is cut off within {what} of {size} bytes")
        left -= len(chunk)
        chunks.append(chunk)
    return b"".join(chunks)[:size]


def _attributes(content: bytes) -> dict[bytes, bytes]:
    """The attributes in lines "<length> <name>=<value>"; the length counts all of the line."""
    found, start = {}, 0
    while start < len(content):
        digits, _, _ = content[start : start + 12].partition(b" ")
        length = _number(digits) or 0
        line = content[start : start + length]
        name, equals, value = line[len(digits) + 1 : -1].partition(b"=")
        if not equals or not line.endswith(b"\n") or len(line) != length:
            raise ValueError("a header of attributes is damaged")
        found[name] = value
        start += length
    return found


def _number(digits: bytes | None) -> int | None:
    if digits is None:
        return None
    if not digits.isdigit() or len(digits) > 20:
        raise ValueError(f"a header has {digits[:20]!r} in place of a number")
    return int(digits)
