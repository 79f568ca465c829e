"""Archives: intact ones of every kind, damaged ones, and those that try to write elsewhere."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from funcvision.vision.archive import Budget, decompress, extract_archive, read_bytes, unpack

FILES = {"top.txt": b"top", "folder/a.bin": bytes(range(256)) * 50, "folder/deep/b.txt": b""}


def write_tar(path, files, mode):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write(path, files=FILES):
    if path.suffix == ".zip":
        write_zip(path, files)
    else:
        modes = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}
        write_tar(path, files, modes[path.suffix])
    return path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ARCHIVES = ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2"]


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_kind_is_unpacked(tmp_path, name):
    extract_archive(write(tmp_path / name), tmp_path / "new" / "out")
    assert contents(tmp_path / "new" / "out") == FILES
    unpack(tmp_path / name, tmp_path / "again")
    assert contents(tmp_path / "again") == FILES


@pytest.mark.parametrize(
    ("name", "pack"), [("a.csv.gz", gzip.compress), ("A.CSV.BZ2", bz2.compress), ("a.xz", lzma.compress)]
)
def test_a_single_file_is_decompressed_by_its_name(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(b"content"))
    unpack(tmp_path / name, tmp_path / "out")
    assert contents(tmp_path / "out") == {name.rpartition(".")[0]: b"content"}
    (tmp_path / name).write_bytes(pack(b"content")[:-1])
    with pytest.raises(ValueError, match="damaged or truncated"):
        unpack(tmp_path / name, tmp_path / "new")
    assert contents(tmp_path / "new") == {}


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path):
    write_zip(tmp_path / "inner.zip", FILES)
    files = {"inner.zip": (tmp_path / "inner.zip").read_bytes()}
    extract_archive(write(tmp_path / "a.tar", files), tmp_path / "out")
    assert contents(tmp_path / "out") == files


def test_errors_of_the_system_are_not_taken_for_damage(tmp_path):
    for function in (read_bytes, lambda path: extract_archive(path, tmp_path / "out")):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "none.tar")


def test_folders_are_merged_and_files_replaced(tmp_path):
    out = tmp_path / "out"
    (out / "folder" / "deep").mkdir(parents=True)
    (out / "folder" / "a.bin").write_bytes(b"damaged")
    (out / "folder" / "deep" / "mine.txt").write_bytes(b"mine")
    extract_archive(write(tmp_path / "a.tar.gz"), out)
    assert contents(out) == FILES | {"folder/deep/mine.txt": b"mine"}


def test_several_threads_may_unpack_the_same_archive(tmp_path):
    archive = write(tmp_path / "a.zip")
    for attempt in range(5):
        out = tmp_path / str(attempt)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda folder: extract_archive(archive, folder), [out] * 12))
        assert contents(out) == FILES


ESCAPES = ["../evil.txt", "folder/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt", "\\evil.txt", ".."]


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
@pytest.mark.parametrize("escape", ESCAPES)
def test_a_member_that_would_land_elsewhere_is_refused(tmp_path, kind, escape):
    archive = write(tmp_path / kind, {"good.txt": b"good", escape: b"evil"})
    out = tmp_path / "inner" / "out"
    with pytest.raises(ValueError, match=r"holds .*, which would land outside its folder") as caught:
        extract_archive(archive, out)
    assert str(archive) in str(caught.value)
    assert contents(tmp_path / "inner") == {}
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ValueError, match=r"a\.tar holds 'link', a link or a special file"):
        extract_archive(tmp_path / "a.tar", tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_links_in_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(ValueError, match=r"a\.zip holds 'link', a link or encrypted"):
        extract_archive(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2"])
@pytest.mark.parametrize("missing", [2, 5, 9, 40, 99, 0.01, 0.5, 0.9, 1.0])
def test_a_truncated_archive_leaves_nothing(tmp_path, name, missing):
    archive = write(tmp_path / name)
    content = archive.read_bytes()
    archive.write_bytes(content[: -missing if missing > 1 else len(content) - int(missing * len(content))])
    with pytest.raises(ValueError, match=f"{name} is damaged or of another kind, nothing was unpacked"):
        extract_archive(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_tar_gz_with_a_wrong_checksum_is_refused(tmp_path):
    archive = write(tmp_path / "a.tar.gz")
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.tar\.gz is damaged .*CRC"):
        extract_archive(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_zip_with_a_wrong_checksum_is_refused(tmp_path):
    archive = write(tmp_path / "a.zip", {"a.txt": b"some text that is stored"})
    content = bytearray(archive.read_bytes())
    content[40] ^= 1  # in the first member's data
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip is damaged"):
        extract_archive(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, bz2.compress, bytes], ids=["gzip", "xz", "bzip2", "plain"]
)
def test_files_are_read_and_decompressed_whatever_their_name(tmp_path, pack):
    content = bytes(range(256)) * 9
    (tmp_path / "file").write_bytes(pack(content))
    assert read_bytes(tmp_path / "file") == content
    decompress(tmp_path / "file", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress], ids=["gzip", "xz", "bzip2"])
def test_every_truncation_and_a_flipped_checksum_are_found(tmp_path, pack):
    packed = pack(b"some content " * 5)
    path = tmp_path / "file"
    damaged = [packed[:size] for size in range(6, len(packed))]  # shorter ones look like plain files
    damaged.append(packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"file \({len(content)} bytes\) is a damaged or truncated"):
            read_bytes(path)
        with pytest.raises(ValueError, match="damaged"):
            decompress(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


BOMB = b"\0" * (1 << 20)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz", "a.tar.bz2"])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr("funcvision.vision.archive._ALLOWANCE", 1000)
    write(tmp_path / name, {"small.txt": b"small", "bomb": BOMB})
    with pytest.raises(ValueError, match=rf"{name} unpacks to over \d+ bytes, 100 times its size plus 1000"):
        extract_archive(tmp_path / name, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.setattr("funcvision.vision.archive._ALLOWANCE", 2 << 20)
    extract_archive(tmp_path / name, tmp_path / "out")
    assert contents(tmp_path / "out")["bomb"] == BOMB


@pytest.mark.parametrize(("name", "pack"), [("a.gz", gzip.compress), ("a.xz", lzma.compress), ("a.bz2", bz2.compress)])
def test_a_file_that_decompresses_to_far_more_than_its_size_is_refused(tmp_path, name, pack, monkeypatch):
    monkeypatch.setattr("funcvision.vision.archive._ALLOWANCE", 1000)
    (tmp_path / name).write_bytes(pack(BOMB * 2))
    for read in (read_bytes, lambda path: unpack(path, tmp_path / "out")):
        with pytest.raises(ValueError, match=rf"{name} unpacks to over \d+ bytes"):
            read(tmp_path / name)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_archive_of_too_many_empty_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("funcvision.vision.archive._ALLOWANCE", 1000)
    write(tmp_path / "a.tar.xz", {f"{i}": b"" for i in range(3000)})
    with pytest.raises(ValueError, match=r"a\.tar\.xz unpacks to over"):
        extract_archive(tmp_path / "a.tar.xz", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_archives_inside_an_archive_share_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("funcvision.vision.archive._ALLOWANCE", 0)
    inner = gzip.compress(bytes(60_000))
    names = [f"{i}.bin.gz" for i in range(9)]
    outer = write(tmp_path / "a.zip", dict.fromkeys(names, inner))
    budget = Budget(outer)
    extract_archive(outer, tmp_path / "out", budget=budget)
    unpacked = 0
    with pytest.raises(ValueError, match=rf"a\.zip unpacks to over {100 * outer.stat().st_size} bytes"):  # noqa: PT012
        for name in names:
            unpack(tmp_path / "out" / name, tmp_path / "whole", budget=budget)
            unpacked += 60_000
    assert 0 < unpacked <= 100 * outer.stat().st_size
