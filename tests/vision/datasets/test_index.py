"""The remembered list of a large data set: what it notices, and that it never stands in the way."""

import os
import time

import pytest
from PIL import Image

from funcvision.vision.datasets import ImageFolder, _index


@pytest.fixture(autouse=True)
def small_lists_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_index, "_SMALLEST", 1)
    monkeypatch.setattr(_index, "_SETTLED_NS", 20_000_000)


@pytest.fixture
def root(tmp_path):
    for path in ("a/1.png", "a/deep/2.png", "b/3.png", "b/4.JPG", "b/notes.txt"):
        (tmp_path / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(tmp_path / "root" / path, "PNG")
    settle()
    return tmp_path / "root"


def settle():
    time.sleep(0.05)


def names(root, **options):
    return [os.path.relpath(path, root) for path, _ in ImageFolder(root, **options).samples]


def listed_folders(monkeypatch):
    """The folders that are listed from now on."""
    folders, walk = [], os.walk

    def recording(top, **options):
        folders.append(os.path.basename(top))
        return walk(top, **options)

    monkeypatch.setattr(os, "walk", recording)
    return folders


ALL = ["a/1.png", "a/deep/2.png", "b/3.png", "b/4.JPG"]


def test_a_second_opening_lists_no_folder(root, monkeypatch):
    first = ImageFolder(root)
    folders = listed_folders(monkeypatch)
    again = ImageFolder(root)
    assert folders == []
    assert (again.samples, again.targets, repr(again)) == (first.samples, first.targets, repr(first))
    assert names(root) == ALL
    assert names(os.path.relpath(root)) == ALL
    assert folders == []


def change_added(root):
    (root / "b" / "0.png").write_bytes(b"")
    return "b", [*ALL[:2], "b/0.png", *ALL[2:]]


def change_removed(root):
    (root / "a" / "deep" / "2.png").unlink()
    return "a", [ALL[0], *ALL[2:]]


def change_renamed(root):
    (root / "b" / "3.png").rename(root / "b" / "5.png")
    return "b", [*ALL[:2], "b/4.JPG", "b/5.png"]


def change_folder_added(root):
    (root / "a" / "more").mkdir()
    (root / "a" / "more" / "9.png").write_bytes(b"")
    return "a", [*ALL[:2], "a/more/9.png", *ALL[2:]]


def change_folder_replaced(root):
    """Another folder under the same name, with the times of the old one."""
    times = (root / "b").stat()
    (root / "b").rename(root.parent / "old")
    (root / "b").mkdir()
    (root / "b" / "7.png").write_bytes(b"")
    os.utime(root / "b", ns=(times.st_atime_ns, times.st_mtime_ns))
    return "b", [*ALL[:2], "b/7.png"]


def change_of_a_name_with_the_old_time(root):
    """As programs do that copy times: the time of modification goes back, the time of change does not."""
    times = (root / "b").stat()
    (root / "b" / "3.png").rename(root / "b" / "5.png")
    os.utime(root / "b", ns=(times.st_atime_ns, times.st_mtime_ns))
    return "b", [*ALL[:2], "b/4.JPG", "b/5.png"]


@pytest.mark.parametrize("change", [
    change_added, change_removed, change_renamed, change_folder_added, change_folder_replaced,
    change_of_a_name_with_the_old_time,
])  # fmt: skip
def test_changes_are_noticed(root, monkeypatch, change):
    assert names(root) == ALL
    changed, expected = change(root)
    folders = listed_folders(monkeypatch)
    assert names(root) == expected
    assert folders == [changed], "the other class has not changed"
    settle()
    assert names(root) == expected
    folders.clear()
    assert names(root) == expected
    assert folders == []


def test_a_file_that_is_replaced_stays_in_the_list(root):
    assert names(root) == ALL
    Image.new("RGB", (9, 9)).save(root.parent / "new.png")
    os.replace(root.parent / "new.png", root / "b" / "3.png")
    assert names(root) == ALL
    assert ImageFolder(root)[2][0].size == (9, 9)


def test_classes_that_come_and_go(root):
    assert names(root) == ALL
    (root / "c").mkdir()
    (root / "c" / "1.png").write_bytes(b"")
    assert names(root) == [*ALL, "c/1.png"]
    settle()
    assert names(root) == [*ALL, "c/1.png"]
    (root / "c" / "1.png").unlink()
    (root / "c").rmdir()
    assert names(root) == ALL


def test_a_folder_that_has_just_changed_is_listed_again(root, monkeypatch):
    """Two changes within one tick of the file system's clock may leave the same time."""
    monkeypatch.setattr(_index, "_SETTLED_NS", 10**12)
    folders = listed_folders(monkeypatch)
    for _ in range(2):
        assert names(root) == ALL
    assert folders == ["a", "b"] * 2
    assert not (root.parent / "home").exists()


def test_other_files_are_another_list(root):
    assert names(root) == ALL
    for _ in range(2):
        assert names(root, is_valid_file=lambda path: path.endswith(".txt"), allow_empty=True) == ["b/notes.txt"]
        assert names(root, is_valid_file=lambda path: "deep" in path or "b/4" in path) == ["a/deep/2.png", "b/4.JPG"]
        assert names(root) == ALL


def test_warnings_come_again(root):
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "b" / ".hidden.png").write_bytes(b"")
    settle()
    for _ in range(3):
        with pytest.warns(UserWarning, match="it is not followed"), pytest.warns(UserWarning, match="1 files under"):
            ImageFolder(root)


def test_names_of_every_kind(root, monkeypatch):
    odd = ["line\nbreak.png", "ünïcode.png", os.fsdecode(b"\xff\xfe.png"), 'quote".png']
    for name in odd:
        (root / "a" / name).write_bytes(b"")
    settle()
    first = ImageFolder(root).samples
    assert len(first) == len(ALL) + len(odd)
    folders = listed_folders(monkeypatch)
    assert ImageFolder(root).samples == first
    assert folders == []


@pytest.mark.parametrize("damage", [
    lambda content: b"", lambda content: content[:-3], lambda content: content.replace(b"3.png", b"8.png"),
    lambda content: content.replace(b'"version": 1', b'"version": 9'), lambda content: b"[]\n", lambda content: b"\xff",
])  # fmt: skip
def test_a_damaged_index_is_made_again(root, damage):
    assert names(root) == ALL
    (index,) = (root.parent / "home" / "index").iterdir()
    content = index.read_bytes()
    assert damage(content) != content
    index.write_bytes(damage(content))
    assert names(root) == ALL
    assert index.read_bytes() == content


def test_without_a_place_for_the_index(root, monkeypatch):
    (root.parent / "file").write_bytes(b"")
    monkeypatch.setenv("FUNCVISION_HOME", str(root.parent / "file" / "below"))
    for _ in range(2):
        assert names(root) == ALL


def test_small_lists_are_not_remembered(root, monkeypatch):
    monkeypatch.setattr(_index, "_SMALLEST", 5)
    assert names(root) == ALL
    assert not (root.parent / "home").exists()
