"""MATLAB files: read as scipy reads them, and refused before a damaged size costs memory."""

import builtins
import random
import resource
import struct
import sys
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from funcvision.vision.datasets._formats import read_mat
from tests.vision.datasets.layouts.classification import devkit_files

CELL = np.array([["a", np.arange(3.0)], ["äö", np.array([["nested"], [7]], object)]], object)
VARIABLES = {
    "numbers": np.arange(12, dtype=np.int16).reshape(3, 4), "empty": np.zeros((0, 3)), "complex": np.array([[1 + 2j]]),
    "text": "several words", "cell": CELL, "flags": np.array([[True, False]]), "byte": np.uint8(3),
    "struct": {"name": "x", "inner": {"values": np.ones((2, 2, 2), np.float32)}},
    "sparse": scipy.sparse.csc_matrix(np.eye(50)),
}  # fmt: skip


def assert_equal(found, expected):
    if hasattr(expected, "toarray"):
        found, expected = found.toarray(), expected.toarray()
    if isinstance(expected, np.ndarray) and expected.dtype.kind in "OV":
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        for one, other in zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True):
            pairs = zip(one, other, strict=True) if isinstance(other, tuple) else [(one, other)]
            for a, b in pairs:
                assert_equal(a, b)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("squeeze", [True, False])
def test_as_scipy(tmp_path, compressed, squeeze):
    scipy.io.savemat(tmp_path / "a.mat", VARIABLES, do_compression=compressed)
    found = read_mat(tmp_path / "a.mat", squeeze=squeeze)
    expected = scipy.io.loadmat(tmp_path / "a.mat", squeeze_me=squeeze)
    assert found.keys() == expected.keys()
    for name in VARIABLES:
        assert_equal(found[name], expected[name])


def limited_memory():
    """Limits the address space to 1 GiB above what is in use; gives the old limit."""
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    old = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), old[1]))
    return old


def mutations(content, rng):
    """Cut, flipped, overwritten with large counts, emptied, or with parts in another order."""
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(damaged) or 1)
        kind = rng.randrange(5)
        if kind == 0:
            del damaged[at:]
        elif kind == 1 and damaged:
            damaged[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            at -= at % 4
            damaged[at : at + 4] = struct.pack("<I", rng.choice([2**31 - 1, 2**32 - 1, 2**28, 0, 14, 15, 1]))
        elif kind == 3:
            damaged[at : at + 40] = bytes(40)
        else:
            damaged[at : at + 32], damaged[128:160] = damaged[128:160], damaged[at : at + 32]
    return bytes(damaged)


def recompressed(content, rng):
    """Damages what is compressed, and compresses it again, so that the checksum is right."""
    size = struct.unpack_from("<I", content, 132)[0]
    inner = zlib.compress(mutations(bytes(128) + zlib.decompress(content[136 : 136 + size]), rng)[128:])
    return content[:132] + struct.pack("<I", len(inner)) + inner + content[136 + size :]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.parametrize("kind", ["plain", "compressed", "devkit"])
def test_200_damaged_files(tmp_path, kind):
    """Each is read, or refused with an error that names the file; none takes 1 GiB."""
    path, rng = tmp_path / "a.mat", random.Random(1)
    if kind == "devkit":
        devkit_files(tmp_path)
        whole = (tmp_path / "data" / "meta.mat").read_bytes()
    else:
        scipy.io.savemat(path, {"cell": CELL, **VARIABLES}, do_compression=kind == "compressed")
        whole = path.read_bytes()
    refused, old = [], limited_memory()
    try:
        for _ in range(200):
            path.write_bytes(mutations(whole, rng) if kind == "plain" else recompressed(whole, rng))
            try:
                read_mat(path)
            except ValueError as error:
                refused.append(str(error))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
    assert len(refused) > 40
    assert all("a.mat" in message and "memory" not in message.lower() for message in refused)


def test_sizes_that_the_file_cannot_hold(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"cell": np.array([["a", "b"]], object)}, do_compression=False)
    content = bytearray((tmp_path / "a.mat").read_bytes())
    sizes = content.index(struct.pack("<2i", 1, 2))
    content[sizes : sizes + 8] = struct.pack("<2i", 30_000, 30_000)
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mat \(\d+ bytes\) is damaged .* holds 2 arrays, expected 900000000"):
        read_mat(tmp_path / "a.mat")


def test_a_file_that_decompresses_to_far_more(tmp_path, monkeypatch):
    monkeypatch.setattr("funcvision.vision.datasets._formats.mat._ALLOWANCE", 1000)
    scipy.io.savemat(tmp_path / "a.mat", {"zeros": np.zeros(500_000)}, do_compression=True)
    with pytest.raises(ValueError, match="decompresses to over 100 times its size"):
        read_mat(tmp_path / "a.mat")


@pytest.mark.parametrize("content", [b"", b"MATLAB", bytes(400), b"\x89HDF\r\n\x1a\n" + bytes(300)])
def test_other_files(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mat \(\d+ bytes\) is damaged or no \.mat file"):
        read_mat(tmp_path / "a.mat")


def test_without_scipy(tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("scipy"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "funcvision\[datasets\]"'):
        read_mat(tmp_path / "a.mat")
