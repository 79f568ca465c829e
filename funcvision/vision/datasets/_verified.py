"""Digests of large files, which are verified once and remembered.

What is remembered lies in `$FUNCVISION_HOME/verified`, one small file for each file of a data set. It holds until the
size, the time of modification or change, or the inode of the file differs.
"""

import contextlib
import hashlib
import json
import os
import time

from ..._home import home
from ..download import check_digest

__all__ = ["check_digest_once"]

_SMALLEST = 1 << 20  # bytes: a smaller file is verified within two milliseconds, so that is not worth remembering
_SETTLED = 2.0  # seconds: a file that changed later may change again without a new time (FAT counts in 2 s)


def check_digest_once(path: str, *, md5: str | None = None, sha256: str | None = None) -> None:
    """Verifies the digest of a file, unless it was verified before and the file has not changed since.

    Args:
        path: the file.
        md5: the expected MD5 digest, 32 hexadecimal digits.
        sha256: the expected SHA-256 digest or its first digits, 8 at least.

    Raises:
        ValueError: the digest differs, or what is expected is not a digest. The message names the file.
    """
    status = os.stat(path)
    if (md5 is None and sha256 is None) or status.st_size < _SMALLEST:
        return check_digest(path, md5=md5, sha256=sha256)
    real = os.path.realpath(path)
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    wanted = {"path": real, "stamp": stamp, "md5": md5, "sha256": sha256}
    record = home() / "verified" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError):  # without a readable record the file is verified
        if json.loads(record.read_text(encoding="utf-8")) == wanted:
            return
    now = time.time()
    check_digest(path, md5=md5, sha256=sha256)
    if now - max(status.st_mtime, status.st_ctime) < _SETTLED:
        return
    with contextlib.suppress(OSError, UnicodeEncodeError):  # without a writable home the file is verified every time
        record.parent.mkdir(parents=True, exist_ok=True)
        part = record.with_name(f"{record.name}.{os.getpid()}.part")
        part.write_text(json.dumps(wanted), encoding="utf-8")
        os.replace(part, record)
