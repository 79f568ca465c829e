"""Data sets of images with labels, against torchvision's on the same files in the published layouts."""

import hashlib
import inspect
import os
import shutil
import sys

import numpy as np
import pytest
import torchvision.datasets as theirs
from PIL import Image

import funcvision.vision.datasets as ours
from tests.vision.datasets.layouts import classification as layouts


def choices(**options):
    """One dict of options for each combination of values."""
    combined = [{}]
    for name, values in options.items():
        combined = [{**one, name: value} for one in combined for value in values]
    return combined


RANKS = ["full", "kingdom", "phylum", "class", "order", "family", "genus"]
CASES = {
    "SUN397": (layouts.make_sun397, [{}]),
    "Imagenette": (layouts.make_imagenette, choices(split=["train", "val"], size=["full", "320px", "160px"])),
    "Caltech101": (
        layouts.make_caltech101,
        choices(target_type=["category", "annotation", ["annotation", "category"], ["category"]]),
    ),
    "Caltech256": (layouts.make_caltech256, [{}]),
    "Food101": (layouts.make_food101, choices(split=["train", "test"])),
    "DTD": (layouts.make_dtd, choices(split=["train", "val", "test"], partition=[1, 2, 10])),
    "GTSRB": (layouts.make_gtsrb, choices(split=["train", "test"])),
    "CLEVRClassification": (layouts.make_clevr, choices(split=["train", "val", "test"])),
    "OxfordIIITPet": (
        layouts.make_oxford_iiit_pet,
        choices(
            split=["trainval", "test"],
            target_types=["category", "binary-category", "segmentation", ["segmentation", "category"], []],
        ),
    ),
    "Country211": (layouts.make_country211, choices(split=["train", "valid", "test"])),
    "FGVCAircraft": (
        layouts.make_fgvc_aircraft,
        choices(split=["train", "val", "trainval", "test"], annotation_level=["variant", "family", "manufacturer"]),
    ),
    "EuroSAT": (layouts.make_eurosat, [{}]),
    "RenderedSST2": (layouts.make_rendered_sst2, choices(split=["train", "val", "test"])),
    "INaturalist": (
        layouts.make_inaturalist,
        [
            *choices(version=["2017", "2018", "2019"], target_type=["full", "super", ["super", "full"]]),
            *choices(version=["2021_train", "2021_train_mini", "2021_valid"], target_type=[*RANKS, RANKS]),
        ],
    ),
    "Places365": (
        layouts.make_places365,
        choices(split=["train-standard", "train-challenge", "val", "test"], small=[False, True]),
    ),
    "Omniglot": (layouts.make_omniglot, choices(background=[True, False])),
    "StanfordCars": (layouts.make_stanford_cars, choices(split=["train", "test"])),
    "Flowers102": (layouts.make_flowers102, choices(split=["train", "val", "test"])),
}
ATTRIBUTES = (
    "classes", "class_to_idx", "targets", "imgs", "samples", "categories", "annotation_categories", "y", "index",
    "target_type", "wnids", "wnid_to_idx", "bin_classes", "bin_class_to_idx", "all_categories", "categories_index",
    "categories_map", "version", "images_dir", "variant", "split", "small", "background", "target_folder",
    "split_folder",
)  # fmt: skip


@pytest.fixture(scope="session")
def roots(tmp_path_factory):
    """The folder of a data set by its name, made when it is first asked for."""
    made = {}

    def root(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            CASES[name][0](made[name])
        return str(made[name])

    return root


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def expect_these_files(monkeypatch, name, root):
    """Makes both classes expect the digests of the files in `root` in place of the published ones."""
    found, expected = getattr(ours, name), getattr(theirs, name)
    at = os.path.join
    if name == "Flowers102":
        files = {
            key: (file, None if key == "image" else digest_of(at(root, "flowers-102", file)))
            for key, (file, _) in expected._file_dict.items()
        }
        tables = {"_file_dict": files}
    elif name == "Omniglot":
        tables = {"zips_md5": {key: digest_of(at(root, "omniglot-py", f"{key}.zip")) for key in expected.zips_md5}}
    elif name == "Places365":
        lists = {key: (file, digest_of(at(root, file))) for key, (file, _) in expected._FILE_LIST_META.items()}
        categories = expected._CATEGORIES_META[0]
        tables = {"_FILE_LIST_META": lists, "_CATEGORIES_META": (categories, digest_of(at(root, categories)))}
    else:
        return
    for table, content in tables.items():
        monkeypatch.setattr(found, table, content)
        monkeypatch.setattr(expected, table, content)


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


def of_torchvision(monkeypatch, name, root, options):
    """Torchvision's data set. It lists folders in sorted order, as ours do, in place of the file system's order."""
    listdir = os.listdir
    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", lambda path=".": sorted(listdir(path)))
        dataset = getattr(theirs, name)(root, **options)
    if name == "SUN397":
        pairs = sorted(zip(map(str, dataset._image_files), dataset._labels, strict=True))
        dataset._image_files, dataset._labels = [path for path, _ in pairs], [label for _, label in pairs]
    return dataset


def assert_same(found, expected):
    assert len(found) == len(expected) > 0
    assert repr(found) == repr(expected)
    for name in ATTRIBUTES:
        if hasattr(expected, name):
            assert getattr(found, name) == getattr(expected, name), name
    for i in [*range(len(expected)), -1]:
        (image, target), (their_image, their_target) = found[i], expected[i]
        assert_same_image(image, their_image)
        assert_same_target(target, their_target)


def assert_same_image(image, expected):
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == (expected.mode, expected.size)
    assert image.tobytes() == expected.tobytes()


def assert_same_target(target, expected):
    if isinstance(expected, tuple):
        assert isinstance(target, tuple)
        for one, their_one in zip(target, expected, strict=True):
            assert_same_target(one, their_one)
    elif isinstance(expected, Image.Image):
        assert_same_image(target, expected)
    elif isinstance(expected, np.ndarray):
        assert target.dtype == expected.dtype
        np.testing.assert_array_equal(target, expected)
    else:
        assert target == expected
        assert type(target) is (int if isinstance(expected, np.integer) else type(expected))


EVERY = [(name, options) for name, (_, cases) in CASES.items() for options in cases]


@pytest.mark.parametrize(("name", "options"), EVERY, ids=lambda value: str(value).replace("'", ""))
def test_every_option(name, options, roots, monkeypatch):
    root = roots(name)
    expect_these_files(monkeypatch, name, root)
    assert_same(getattr(ours, name)(root, **options), of_torchvision(monkeypatch, name, root, options))


@pytest.mark.parametrize("name", [*CASES, "ImageNet"])
def test_arguments_have_torchvisions_names_and_order(name):
    found, expected = (inspect.signature(getattr(module, name)).parameters for module in (ours, theirs))
    assert [one for one in found if one != "options"] == [one for one in expected if one != "kwargs"]
    for one in set(found) & set(expected) - {"loader"}:
        assert found[one].default == expected[one].default
        assert found[one].kind == expected[one].kind


@pytest.mark.parametrize("name", CASES)
def test_transforms_and_loader(name, roots, monkeypatch):
    root = roots(name)
    expect_these_files(monkeypatch, name, root)
    options = {
        "transform": lambda image: image[-4:] if isinstance(image, str) else image.resize((2, 2)).tobytes(),
        "target_transform": lambda target: (str(target), 2),
    }
    if "loader" in inspect.signature(getattr(theirs, name)).parameters:
        options["loader"] = str
    assert getattr(ours, name)(root, **options)[0] == of_torchvision(monkeypatch, name, root, options)[0]


PLACES365 = ("_SPLITS", "_BASE_URL", "_DEVKIT_META", "_CATEGORIES_META", "_FILE_LIST_META", "_IMAGES_META")


def test_pets_take_joint_transforms(roots):
    def swapped(image, target):
        return target, image.convert("RGB").size

    root = roots("OxfordIIITPet")
    found, expected = ours.OxfordIIITPet(root, transforms=swapped), theirs.OxfordIIITPet(root, transforms=swapped)
    assert found[0] == expected[0]


@pytest.mark.parametrize(("name", "tables"), [
    ("SUN397", {"_URL": "_DATASET_URL", "_MD5": "_DATASET_MD5"}),
    ("Imagenette", {"_ARCHIVES": "_ARCHIVES", "_WNID_TO_CLASS": "_WNID_TO_CLASS"}),
    ("Food101", {"_URL": "_URL", "_MD5": "_MD5"}),
    ("DTD", {"_URL": "_URL", "_MD5": "_MD5"}),
    ("CLEVRClassification", {"_URL": "_URL", "_MD5": "_MD5"}),
    ("OxfordIIITPet", {"_RESOURCES": "_RESOURCES"}),
    ("Country211", {"_URL": "_URL", "_MD5": "_MD5"}),
    ("FGVCAircraft", {"_URL": "_URL"}),
    ("RenderedSST2", {"_URL": "_URL", "_MD5": "_MD5"}),
    ("Places365", {one: one for one in PLACES365}),
    ("Omniglot", {"download_url_prefix": "download_url_prefix", "zips_md5": "zips_md5"}),
    ("Flowers102", {"_file_dict": "_file_dict", "_download_url_prefix": "_download_url_prefix", "classes": "classes"}),
])  # fmt: skip
def test_tables_of_files(name, tables):
    for mine, other in tables.items():
        assert getattr(getattr(ours, name), mine) == getattr(getattr(theirs, name), other)


def test_tables_of_inaturalist_and_imagenet():
    published = {
        name: (theirs.inaturalist.DATASET_URLS[name], md5) for name, md5 in theirs.inaturalist.DATASET_MD5.items()
    }
    assert published == ours.INaturalist._ARCHIVES
    assert ours.ImageNet._ARCHIVES == theirs.imagenet.ARCHIVE_META


@pytest.mark.parametrize(("name", "options"), [
    ("Caltech101", {"target_type": ["category"]}), ("Caltech256", {}), ("EuroSAT", {}), ("GTSRB", {"split": "train"}),
    ("GTSRB", {"split": "test"}),
])  # fmt: skip
def test_addresses_in_torchvisions_source(name, options):
    """Of the data sets whose addresses are not in a table there."""
    source = inspect.getsource(sys.modules[getattr(theirs, name).__module__])
    dataset = object.__new__(getattr(ours, name))
    vars(dataset).update(options)
    for resource in dataset._resources():
        assert resource.md5 in source
        assert resource.urls[0] in source.replace("{base_url}", ours.GTSRB._URL)


@pytest.mark.parametrize("by_torchvision", [True, False])
@pytest.mark.parametrize("split", ["train", "val"])
def test_imagenet(tmp_path, monkeypatch, split, by_torchvision):
    """The archives are unpacked by either library, and both read the folder."""
    layouts.make_imagenet(tmp_path)
    archives = {key: (name, md5(tmp_path / name)) for key, (name, _) in theirs.imagenet.ARCHIVE_META.items()}
    monkeypatch.setattr(theirs.imagenet, "ARCHIVE_META", archives)
    monkeypatch.setattr(ours.ImageNet, "_ARCHIVES", archives)
    root = str(tmp_path)
    if by_torchvision:
        expected = theirs.ImageNet(root, split)
        (tmp_path / archives["devkit"][0]).unlink()  # meta.bin is enough
        found = ours.ImageNet(root, split)
    else:
        found = ours.ImageNet(root, split)
        assert not (tmp_path / "meta.bin").exists()
        expected = theirs.ImageNet(root, split)
    assert_same(found, expected)
    shutil.rmtree(tmp_path / "source")
    assert sorted(os.listdir(tmp_path / split)) == ["n01440764", "n02100735", "n02119789"]
