"""Folders of images: order, empty classes, damaged files."""

import contextlib
import pickle
import re
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from funcvision.vision.datasets import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader


def make(root, *paths):
    """Small images of different colours at these paths."""
    for i, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (40 * i, 3, 200)).save(root / path)
    return root


def names(found):
    return [path[len(found.root) + 1 :] for path, _ in found.samples]


def test_classes_and_files_are_sorted(tmp_path):
    paths = ["dog/b.png", "dog/a.png", "cat/z.png", "cat/deep/er/a.png", "Ant/1.PNG", "cat/deep/b.bmp"]
    found = ImageFolder(make(tmp_path, *paths))
    assert found.classes == ["Ant", "cat", "dog"]
    assert found.class_to_idx == {"Ant": 0, "cat": 1, "dog": 2}
    assert names(found) == ["Ant/1.PNG", "cat/z.png", "cat/deep/b.bmp", "cat/deep/er/a.png", "dog/a.png", "dog/b.png"]
    assert found.targets == [0, 1, 1, 1, 2, 2]
    assert found.imgs is found.samples
    image, label = found[5]
    assert (image.mode, image.size, image.getpixel((0, 0)), label) == ("RGB", (8, 6), (0, 3, 200), 2)


@pytest.mark.parametrize("extension", IMG_EXTENSIONS)
def test_every_extension_in_small_letters_and_capitals(tmp_path, extension):
    root = make(tmp_path, f"a/small{extension}", f"a/CAPITAL{extension.upper()}")
    (root / "a" / "notes.txt").write_text("no image", encoding="utf-8")
    (root / "loose.png").write_bytes(b"files beside the folders are not looked at")
    found = ImageFolder(root)
    assert len(found) == 2
    assert all(found[i][0].size == (8, 6) for i in range(2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    (tmp_path / "a").mkdir()
    Image.new(mode, (3, 2)).save(tmp_path / "a" / ("x.tif" if mode == "CMYK" else "x.png"))
    assert ImageFolder(tmp_path)[0][0].mode == "RGB"


def test_empty_classes_are_named_or_allowed(tmp_path):
    make(tmp_path, "b/1.png")
    for name in ("c", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "c" / "notes.txt").write_text("", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"has no files.*'\.webp'\), for the classes a, c; pass allow_empty"):
        ImageFolder(tmp_path)
    found = ImageFolder(tmp_path, allow_empty=True)
    assert found.classes == ["a", "b", "c"]
    assert found.targets == [1]


def test_a_root_without_folders_or_without_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no folders in it; expected one for each class"):
        ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ImageFolder(tmp_path / "nowhere")


def test_is_valid_file_takes_the_place_of_extensions(tmp_path):
    make(tmp_path, "a/yes.png", "a/no.png")
    found = ImageFolder(tmp_path, is_valid_file=lambda path: path.endswith("yes.png"))
    assert names(found) == ["a/yes.png"]
    assert found.extensions is None
    with pytest.raises(ValueError, match="either extensions or is_valid_file, and not both"):
        DatasetFolder(str(tmp_path), str, (".png",), is_valid_file=bool)
    with pytest.raises(ValueError, match="either extensions or is_valid_file"):
        DatasetFolder(str(tmp_path), str)


def test_any_loader_and_any_extension(tmp_path):
    for name in ("a/1.txt", "a/2.md", "b/3.TXT"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    for extensions in (".txt", (".txt",), [".txt"]):
        found = DatasetFolder(tmp_path, lambda path: open(path, encoding="utf-8").read, extensions)  # noqa: SIM115
        assert names(found) == ["a/1.txt", "b/3.TXT"]

    def read(path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    found = DatasetFolder(tmp_path, read, ".txt", str.upper, target_transform=lambda label: label + 10)
    assert [found[i] for i in range(2)] == [("A/1.TXT", 10), ("B/3.TXT", 11)]


def test_classes_can_be_chosen(tmp_path):
    class Chosen(ImageFolder):
        def find_classes(self, directory):
            return ["c", "a"], {"c": 0, "a": 1}

    found = Chosen(make(tmp_path, "a/1.png", "b/2.png", "c/3.png"))
    assert found.classes == ["c", "a"]
    assert list(zip(names(found), found.targets, strict=True)) == [("a/1.png", 1), ("c/3.png", 0)]

    class Missing(ImageFolder):
        def find_classes(self, directory):
            return ["a", "z"], {"a": 0, "z": 1}

    with pytest.raises(FileNotFoundError, match="for the classes z"):
        Missing(tmp_path)
    with pytest.raises(ValueError, match="class_to_idx is empty"):
        ImageFolder.make_dataset(str(tmp_path), {}, IMG_EXTENSIONS)


def test_links_are_followed(tmp_path):
    make(tmp_path / "elsewhere", "1.png")
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "link").symlink_to(tmp_path / "elsewhere")
    assert names(ImageFolder(tmp_path / "root")) == ["a/link/1.png"]


@pytest.mark.parametrize(
    "links", [{"a/loop": "a"}, {"a/deep/loop": "a"}, {"a/deep/loop": "a/deep"}, {"a/deep/loop": "."},
              {"a/b": "elsewhere", "elsewhere/c": "a"}, {"a/loop": "a", "a/deep/loop": "a", "a/deep/root": "."}],
)  # fmt: skip
def test_folders_that_are_linked_in_a_circle_are_listed_once(tmp_path, links):
    """torchvision lists a file of such folders 41 times, once for each link that the system follows in one path."""
    root = tmp_path / "root"
    make(root, "a/1.png", "a/deep/2.png")
    (root / "elsewhere").mkdir()
    for link, target in links.items():
        (root / link).symlink_to(root / target)
    with pytest.warns(UserWarning, match="is a link to .*, a folder that contains it; it is not followed") as warned:
        found = ImageFolder(root, allow_empty=True)
    assert [name for name in names(found) if name.startswith("a/")] == ["a/1.png", "a/deep/2.png"]
    assert len(warned) >= 1


def test_two_links_to_one_folder_are_both_followed(tmp_path):
    make(tmp_path / "elsewhere", "1.png")
    for name in ("x", "y"):
        (tmp_path / "root" / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / "a" / name).symlink_to(tmp_path / "elsewhere")
    assert names(ImageFolder(tmp_path / "root")) == ["a/x/1.png", "a/y/1.png"]


@pytest.mark.parametrize(
    ("paths", "which"),
    [([".ipynb_checkpoints/1.png"], r", and \.ipynb_checkpoints became a class,"),
     ([".x/1.png", ".y/1.png"], r", and \.x, \.y became classes,"),
     (["a/.ipynb_checkpoints/1.png"], ", as in torchvision"),
     (["a/._1.png"], ", as in torchvision")],
)  # fmt: skip
def test_hidden_folders_and_files_are_taken_with_a_warning(tmp_path, paths, which):
    root = make(tmp_path / ".hidden" / "root", "a/1.png", "b/1.png", *paths)  # folders above the root do not matter
    with pytest.warns(UserWarning, match=rf"^{len(paths)} files under .* such as .*1.png{which}.*find_classes$"):
        found = ImageFolder(root)
    assert set(paths) <= set(names(found))
    assert set(found.classes) == {"a", "b", *(path.split("/")[0] for path in paths)}


def noisy(path, format):
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, format)
    return path.read_bytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_a_truncated_image_is_named_and_never_grey(tmp_path, format):
    path = tmp_path / "a" / f"image.{format.lower()}"
    path.parent.mkdir()
    content = noisy(path, format)
    found = ImageFolder(tmp_path)
    whole = found[0][0].tobytes()
    refused = 0
    for size in (1, 2, 10, *range(0, len(content), len(content) // 40), *range(len(content) - 12, len(content))):
        path.write_bytes(content[:size])
        with contextlib.suppress(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the pixels must be right, with or without a warning
            # If only the end marker is missing, the picture is whole.
            assert found[0][0].tobytes() == whole
            continue
        refused += 1
        with pytest.raises(ValueError, match=re.escape(f"{path} ({size} bytes) is not an image, or is damaged: ")):
            found[0]
    assert refused > 40


PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"


@pytest.mark.parametrize("content", [b"", b"no image", PNG + bytes(50), JPEG + bytes(99)])
def test_a_file_that_is_not_an_image_is_named(tmp_path, content):
    path = tmp_path / "a" / "image.png"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path} ({len(content)} bytes) is not an image, or is damaged")):
        ImageFolder(tmp_path)[0]


def test_a_file_that_is_gone_is_a_missing_file(tmp_path):
    found = ImageFolder(make(tmp_path, "a/1.png"))
    (tmp_path / "a" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"a/1\.png"):
        found[0]


def test_real_photos(shared_data, tmp_path):
    photos = sorted((shared_data / "imagenet-samples").glob("*.JPEG"))[:12]
    for photo in photos:
        folder = tmp_path / photo.name.split("_")[0]
        folder.mkdir()
        shutil.copy(photo, folder)
    found = ImageFolder(tmp_path, transform=np.asarray)
    assert found.classes == [photo.name.split("_")[0] for photo in photos]
    copy = pickle.loads(pickle.dumps(found))
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(copy.__getitem__, range(12)))
    for photo, (image, label) in zip(photos, pairs, strict=True):
        np.testing.assert_array_equal(image, np.asarray(default_loader(str(photo))))
        assert copy.classes[label] in photo.name
        assert image.ndim == 3


def test_summary(tmp_path):
    class Two:
        def __repr__(self):
            return "Compose(\n    Resize(3)\n)"

    found = ImageFolder(str(make(tmp_path, "a/1.png")), Two())
    assert repr(found).splitlines() == [
        "Dataset ImageFolder",
        "    Number of datapoints: 1",
        f"    Root location: {tmp_path}",
        "    Transform: Compose(",
        "                   Resize(3)",
        "               )",
    ]
