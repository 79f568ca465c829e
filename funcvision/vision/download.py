"""Fetching files: mirrors in turn, broken transfers taken up again, digests checked, no half-written file."""

import contextlib
import hashlib
import http.client
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

if sys.platform != "win32":
    import fcntl

__all__ = ["DownloadError", "alone_in", "check_digest", "download_url"]

_ATTEMPTS = 3  # for each mirror: a connection that breaks halfway is common with large files
_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 18


class DownloadError(OSError):
    """No mirror handed out the file; the message names each with its failure, and where to put the file by hand."""


class _MirrorError(Exception):
    """One mirror could not be reached, refused, or sent something else than was asked for."""


class _BrokenError(_MirrorError):
    """The connection broke halfway: another attempt may bring the rest."""


def download_url(
    url: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    progress: bool = True,
) -> None:
    """Fetches `url` into the file `path`, which appears there only when it is whole and its digest is right.

    Several URLs are mirrors of one file, tried in order. A file already at `path` is kept if its digest is right
    (or none was given), and otherwise replaced. Bytes arrive in `<path>.part`; where a digest will tell whether
    the pieces fit, a later call continues that file, and without a digest every transfer starts afresh.
    Threads and processes that ask for the same file at once wait for the first, and fetch it once.
    Where `FUNCVISION_OFFLINE` is set, and not to 0, nothing is fetched.

    Args:
        url: one address or several mirrors.
        path: the file to write; its folder is made if it is missing.
        md5: the file's MD5 digest, 32 hexadecimal digits.
        sha256: the file's SHA-256 digest or its first digits, 8 at least, as in `resnet50-0676ba61.pth`.
        progress: whether a bar on stderr shows how far it is.

    Raises:
        DownloadError: no mirror handed out the file, or none was asked.
        ValueError: `md5` or `sha256` is no such digest.
    """
    urls = [url] if isinstance(url, str) else list(url)
    path = os.path.expanduser(os.fspath(path))
    digests = _digests(md5, sha256)
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    offline = os.environ.get("FUNCVISION_OFFLINE", "0") not in ("", "0")
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


def check_digest(path: str | os.PathLike[str], *, md5: str | None = None, sha256: str | None = None) -> None:
    """Raises `ValueError`, naming the file, unless its digest is the one given (of `sha256`, its first digits)."""
    problem = _mismatch(os.fspath(path), _digests(md5, sha256))
    if problem is not None:
        raise ValueError(f"{os.fspath(path)} is damaged or another file: {problem}")


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
    """Holds back other threads and processes that ask for the same folder: they then find the work done."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks; the digest then still keeps a mangled file out.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fetch(url: str, path: str, digests: dict[str, str], progress: bool) -> None:
    """Brings the whole file from one mirror."""
    part = path + ".part"
    failure = _MirrorError("was not asked")
    for _ in range(_ATTEMPTS):
        continued = bool(digests) and os.path.exists(part)  # without a digest nothing tells that two pieces fit
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
        if not continued:  # else the old piece may be to blame: once more from the start
            break
    raise failure


def _transfer(url: str, part: str, continued: bool, progress: bool) -> None:
    """Writes what `url` sends to the file `part`, from its end on where `continued` and the server can."""
    from tqdm import tqdm  # not needed to import this module, and slow to import

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
    """The server's answer to a request for everything after `size` bytes; None if it has nothing after them."""
    headers = {"User-Agent": "funcvision"} | ({"Range": f"bytes={size}-"} if size else {})
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and size:  # already whole, or the part of another file: the digest tells
            return None
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _MirrorError(f"cannot be reached: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"gave no answer: {error}") from error
    except ValueError as error:
        raise _MirrorError(f"cannot be asked: {error}") from error


def _offset(response: Any, size: int) -> int:
    """Where the bytes of this answer belong: after what was there, or at the start if the server sends it all."""
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
