"""Digests that are verified once: what is remembered, and what makes it forgotten."""

import hashlib
import os
import time

import pytest

from funcvision.vision.datasets import _verified
from funcvision.vision.datasets._verified import check_digest_once

CONTENT = b"0123456789" * 200_000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_verified, "_SETTLED", 0.02)
    (tmp_path / "data.bin").write_bytes(CONTENT)
    time.sleep(0.05)
    return tmp_path / "data.bin"


@pytest.fixture
def hashed(monkeypatch):
    """The files that are hashed."""
    files, check = [], _verified.check_digest

    def recording(path, **digests):
        files.append(path)
        check(path, **digests)

    monkeypatch.setattr(_verified, "check_digest", recording)
    return files


def test_a_file_is_hashed_once(file, hashed):
    for _ in range(3):
        check_digest_once(str(file), md5=MD5)
    assert len(hashed) == 1
    with pytest.raises(ValueError, match=r"data\.bin is damaged or another file"):
        check_digest_once(str(file), md5="0" * 32)
    check_digest_once(str(file), sha256=hashlib.sha256(CONTENT).hexdigest())
    assert len(hashed) == 3


def test_a_changed_file_is_hashed_again(file, hashed):
    check_digest_once(str(file), md5=MD5)
    times = file.stat()
    file.write_bytes(CONTENT[::-1])
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"data\.bin is damaged or another file"):
            check_digest_once(str(file), md5=MD5)
    assert len(hashed) == 3


def test_a_file_that_has_just_changed_is_not_remembered(file, hashed, monkeypatch):
    monkeypatch.setattr(_verified, "_SETTLED", 1000)
    for _ in range(2):
        check_digest_once(str(file), md5=MD5)
    assert len(hashed) == 2


def test_a_damaged_record_and_a_home_that_is_no_folder(file, hashed, monkeypatch):
    check_digest_once(str(file), md5=MD5)
    (record,) = (file.parent / "home" / "verified").iterdir()
    record.write_bytes(b"\xff{")
    check_digest_once(str(file), md5=MD5)
    check_digest_once(str(file), md5=MD5)
    assert len(hashed) == 2
    monkeypatch.setenv("FUNCVISION_HOME", str(file))
    for _ in range(2):
        check_digest_once(str(file), md5=MD5)
    assert len(hashed) == 4
