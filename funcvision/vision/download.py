"""Downloads files: tries mirrors in turn, continues broken transfers, checks digests, leaves no half-written file."""

import contextlib
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

if sys.platform != "win32":
    import fcntl

__all__ = ["DownloadError", "alone_in", "check_digest", "download_url", "google_drive_url", "stream_url"]

_ATTEMPTS = 3  # per mirror: connections often break halfway through a large file
_TIMEOUT = 30.0  # seconds without a byte
_PAUSE = 0.1  # seconds before a stream is continued, doubled at each attempt
_CHUNK = 1 << 18  # bytes that are read at a time


class DownloadError(OSError):
    """No mirror sent the file. The message names each mirror with its failure, and where to put the file by hand."""


class _MirrorError(Exception):
    """One mirror could not be reached, refused, or sent another file."""


class _BrokenError(_MirrorError):
    """The connection broke halfway. Another attempt may bring the rest."""


def download_url(
    url: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    progress: bool = True,
) -> None:
    """Downloads a file, which appears at `path` only when it is whole and its digest is right.

    A file that is already at `path` is kept if its digest is right or no digest is given, and replaced otherwise. Bytes
    are written to `<path>.part`. If a digest is given, a later call continues that file, since the digest then shows
    whether the pieces fit; without one every transfer starts from the beginning. If several threads or processes ask
    for the same file at once, one downloads it and the others wait. If the environment variable `FUNCVISION_OFFLINE` is
    set, and not to 0, nothing is downloaded.

    Args:
        url: one address, or the mirrors of one file in the order in which they are tried.
        path: the file to write; its folder is made if it is missing.
        md5: the file's MD5 digest, 32 hexadecimal digits.
        sha256: the file's SHA-256 digest or its first digits, 8 at least, as in `resnet50-0676ba61.pth`.
        progress: whether a bar on stderr shows how far it is.

    Raises:
        DownloadError: no mirror sent the file, or downloads are switched off.
        ValueError: `md5` or `sha256` is not a digest.
    """
    urls = [url] if isinstance(url, str) else list(url)
    path = os.path.expanduser(os.fspath(path))
    digests = _digests(md5, sha256)
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    offline = _is_offline()
    failures = ["  FUNCVISION_OFFLINE is set"] if offline else []
    with alone_in(folder):
        if os.path.isfile(path) and _mismatch(path, digests) is None:
            return
        for address in [] if offline else urls:
            try:
                return _fetch(address, path, digests, progress)
            except _MirrorError as error:
                failures.append(f"  {address}: {error}")
    wanted = "".join(f" ({name} {digest})" for name, digest in digests.items())
    raise DownloadError(
        f"cannot download {os.path.basename(path)}:\n" + "\n".join(failures) + f"\nTry again, or put the file{wanted} "
        f"by hand at {os.path.abspath(path)}"
    )


def stream_url(url: str) -> Iterator[bytes]:
    """The content of a file on a server, piece by piece; nothing is written to the disk.

    Where the connection breaks, it is opened again and the rest is asked for. A server that cannot send the rest sends
    all of it, and what is known already is left out. The file is given up after three attempts in a row that brought
    nothing new.

    Args:
        url: the address.

    Raises:
        DownloadError: the server cannot be reached, refuses, or sends a file of another size when it is asked again; or
            downloads are switched off by `FUNCVISION_OFFLINE`.
    """
    if _is_offline():
        raise DownloadError(f"cannot read {url}: FUNCVISION_OFFLINE is set")
    position, total, failures = 0, None, 0
    while True:
        try:
            response = _open(url, position)
            if response is None:
                raise _MirrorError(f"sends nothing after {position} bytes, and sent them of {total} bytes")
            with response:
                start = _offset(response, position)
                size = None if response.length is None else start + response.length
                if total not in (None, size):
                    raise _MirrorError(f"now sends {size} bytes, and {total} before: the file has changed")
                total = size
                for chunk in _chunks(response):
                    new = chunk[max(0, position - start) :]
                    start += len(chunk)
                    if new:
                        position, failures = start, 0
                        yield new
            if total is not None and position < total:
                raise _BrokenError(f"the connection broke after {position} of {total} bytes")
            return
        except _BrokenError as error:
            failures += 1
            if failures == _ATTEMPTS:
                raise DownloadError(f"cannot read {url}: {error}") from error
            time.sleep(_PAUSE * 2**failures)
        except _MirrorError as error:
            raise DownloadError(f"cannot read {url}: {error}") from error


def google_drive_url(file_id: str) -> str:
    """The address of a file in Google Drive that answers with the file itself, and not with a page that asks back.

    >>> google_drive_url("0B7EVK8r0v71pZjFTYXZWM3FlRnM")
    'https://drive.usercontent.google.com/download?id=0B7EVK8r0v71pZjFTYXZWM3FlRnM&export=download&confirm=t'
    """
    return f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t"


def check_digest(path: str | os.PathLike[str], *, md5: str | None = None, sha256: str | None = None) -> None:
    """Verifies the digest of a file.

    Args:
        path: the file.
        md5: the expected MD5 digest, 32 hexadecimal digits.
        sha256: the expected SHA-256 digest or its first digits, 8 at least.

    Raises:
        ValueError: the digest differs, or what is expected is not a digest. The message names the file.
    """
    problem = _mismatch(os.fspath(path), _digests(md5, sha256))
    if problem is not None:
        raise ValueError(f"{os.fspath(path)} is damaged or another file: {problem}")


def _is_offline() -> bool:
    return os.environ.get("FUNCVISION_OFFLINE", "0") not in ("", "0")


def _digests(md5: str | None, sha256: str | None) -> dict[str, str]:
    """The digests that were given, by name, in lower case."""
    digests = {name: digest.lower() for name, digest in (("md5", md5), ("sha256", sha256)) if digest is not None}
    for name, form, digits in (("md5", r"[0-9a-f]{32}", "32"), ("sha256", r"[0-9a-f]{8,64}", "8 to 64")):
        if not re.fullmatch(form, digests.get(name, "0" * 32)):
            raise ValueError(f"{name}={digests[name]!r} is not a digest: expected {digits} hexadecimal digits")
    return digests


def _mismatch(path: str, digests: dict[str, str]) -> str | None:
    """What is wrong with a file's digest, or None."""
    for name, expected in digests.items():
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, lambda name=name: hashlib.new(name, usedforsecurity=False)).hexdigest()
        if not found.startswith(expected):
            return f"its {name} is {found}, expected {expected} (it has {os.path.getsize(path)} bytes)"
    return None


@contextlib.contextmanager
def alone_in(folder: str | os.PathLike[str]) -> Iterator[None]:
    """A lock on a folder. Other threads and processes that ask for it wait, and then find the work done."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks. The digest then still detects a mangled file.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fetch(url: str, path: str, digests: dict[str, str], progress: bool) -> None:
    """Downloads the whole file from one mirror."""
    part = path + ".part"
    failure = _MirrorError("was not tried")
    for _ in range(_ATTEMPTS):
        continued = bool(digests) and os.path.exists(part)  # without a digest nothing shows whether two pieces fit
        try:
            _transfer(url, part, continued, progress)
        except _BrokenError as error:
            failure = error
            continue
        problem = _mismatch(part, digests)
        if problem is None:
            return os.replace(part, path)
        os.remove(part)
        failure = _MirrorError(f"sent another file: {problem}")
        if not continued:  # otherwise the old piece may be wrong: try once more from the beginning
            break
    raise failure


def _transfer(url: str, part: str, continued: bool, progress: bool) -> None:
    """Writes what `url` sends to the file `part`, after what is there if `continued` and if the server can do that."""
    from tqdm import tqdm  # imported late, because it is slow to import

    size = os.path.getsize(part) if continued else 0
    response = _open(url, size)
    if response is None:
        return
    with response:
        offset = _offset(response, size)
        total = offset + response.length if getattr(response, "length", None) is not None else None
        bar = tqdm(
            total=total, initial=offset, desc=os.path.basename(part).removesuffix(".part"),
            unit="B", unit_scale=True, unit_divisor=1024, disable=not progress,
        )  # fmt: skip
        with bar, open(part, "r+b" if offset else "wb") as out:
            out.seek(offset)
            for chunk in _chunks(response):
                bar.update(out.write(chunk))
            received = out.tell()
    if total is not None and received != total:
        raise _BrokenError(f"the connection broke after {received} of {total} bytes")


def _open(url: str, size: int) -> Any:
    """The server's response to a request for everything after `size` bytes; None if nothing comes after them."""
    headers = {"User-Agent": "funcvision"} | ({"Range": f"bytes={size}-"} if size else {})
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and size:  # the part is whole, or belongs to another file: the digest decides
            return None
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _MirrorError(f"cannot be reached: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"did not respond: {error}") from error
    except ValueError as error:
        raise _MirrorError(f"is not a valid address: {error}") from error


def _offset(response: Any, size: int) -> int:
    """Where the bytes of this response belong: after what was there, or at the start if the server sends it all."""
    if getattr(response, "status", None) != 206:
        return 0
    sent = response.headers.get("Content-Range", "")
    if not re.match(rf"bytes {size}-", sent):
        raise _MirrorError(f"was asked for the bytes from {size} on and sent {sent!r}")
    return size


def _chunks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(f"the connection broke: {error}") from error
        if not chunk:
            return
        yield chunk
