"""Data sets of images with labels: downloads, missing and damaged files, wrong options, several processes."""

import hashlib
import io
import json
import multiprocessing
import pathlib
import pickle
import shutil
import tarfile
import zipfile

import pytest

import funcvision.vision.datasets as datasets
from tests.vision.datasets.layouts import classification as layouts
from tests.vision.loopback import serve

MAKE = {
    "CLEVRClassification": layouts.make_clevr, "Caltech101": layouts.make_caltech101, "DTD": layouts.make_dtd,
    "Caltech256": layouts.make_caltech256, "Country211": layouts.make_country211, "EuroSAT": layouts.make_eurosat,
    "FGVCAircraft": layouts.make_fgvc_aircraft, "Food101": layouts.make_food101, "GTSRB": layouts.make_gtsrb,
    "Imagenette": layouts.make_imagenette, "Omniglot": layouts.make_omniglot, "SUN397": layouts.make_sun397,
    "OxfordIIITPet": layouts.make_oxford_iiit_pet, "RenderedSST2": layouts.make_rendered_sst2,
    "StanfordCars": layouts.make_stanford_cars,
}  # fmt: skip


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    made = {}

    def root(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            MAKE[name](made[name])
        return made[name]

    return root


@pytest.mark.parametrize(("name", "options"), [
    ("CLEVRClassification", {"split": "trainval"}), ("Caltech101", {"target_type": "outline"}),
    ("Caltech101", {"target_type": []}), ("Country211", {"split": "val"}), ("DTD", {"partition": 11}),
    ("DTD", {"partition": "1"}), ("DTD", {"split": "x"}), ("FGVCAircraft", {"annotation_level": "model"}),
    ("Food101", {"split": "val"}), ("GTSRB", {"split": "val"}), ("Imagenette", {"size": "64px"}),
    ("INaturalist", {"version": "2020"}), ("INaturalist", {"target_type": "super"}),
    ("INaturalist", {"version": "2018", "target_type": "genus"}), ("INaturalist", {"target_type": []}),
    ("ImageNet", {"split": "test"}), ("OxfordIIITPet", {"target_types": ["category", "box"]}),
    ("Places365", {"split": "train"}), ("RenderedSST2", {"split": "valid"}), ("StanfordCars", {"split": "val"}),
    ("Flowers102", {"split": "trnid"}),
])  # fmt: skip
def test_wrong_options(tmp_path, name, options):
    with pytest.raises(ValueError, match=next(reversed(options))):
        getattr(datasets, name)(tmp_path, **options)


@pytest.mark.parametrize("name", [*MAKE, "Flowers102", "INaturalist", "ImageNet", "Places365"])
def test_nothing_there(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"{name} needs the (file|folder) .*(download=True|put it there)"):
        getattr(datasets, name)(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_has_to_be_fetched_by_hand(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"get ILSVRC2012_devkit_t12\.tar\.gz from https://image-net\.org/"):
        datasets.ImageNet(tmp_path)
    for download in (True, False):
        with pytest.raises(FileNotFoundError, match=r"get devkit/cars_train_annos\.mat from one of the copies that"):
            datasets.StanfordCars(tmp_path, download=download)


@pytest.mark.parametrize(("name", "file", "content", "message"), [
    ("SUN397", "SUN397/ClassName.txt", "/a/abbey\n", "is in a folder that .*ClassName.txt does not list"),
    ("Food101", "food-101/meta/train.json", "[1]", "train.json holds no list of image names"),
    ("Food101", "food-101/meta/train.json", '{"a": [1]}', "train.json holds no list of image names"),
    ("Food101", "food-101/meta/train.json", "{", r"train.json \(1 bytes\) is damaged"),
    ("DTD", "dtd/dtd/labels/train1.txt", "a/b.jpg\nc.jpg\n", "train1.txt, line 2: expected 2 columns"),
    ("CLEVRClassification", "clevr/CLEVR_v1.0/scenes/CLEVR_train_scenes.json", "{}", "holds no list of scenes"),
    ("CLEVRClassification", "clevr/CLEVR_v1.0/scenes/CLEVR_train_scenes.json", '{"scenes": [{}]}', "scene 0 has no"),
    ("CLEVRClassification", "clevr/CLEVR_v1.0/scenes/CLEVR_train_scenes.json", '{"scenes": []}', "does not describe"),
    ("OxfordIIITPet", "oxford-iiit-pet/annotations/trainval.txt", "a_1 0 1 1\n", "trainval.txt, line 1: expected an"),
    ("OxfordIIITPet", "oxford-iiit-pet/annotations/trainval.txt", "a_1 1 3 1\n", "expected an integer from 1 to 2"),
    ("FGVCAircraft", "fgvc-aircraft-2013b/data/images_variant_trainval.txt", "1 Zeppelin", "'Zeppelin' is no variant"),
    ("StanfordCars", "stanford_cars/devkit/cars_meta.mat", "x", r"cars_meta.mat \(1 bytes\) is damaged"),
])  # fmt: skip
def test_damaged_files(tmp_path, roots, name, file, content, message):
    shutil.copytree(roots(name), tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        getattr(datasets, name)(tmp_path)


def test_other_damaged_files(tmp_path, roots):
    shutil.copytree(roots("GTSRB"), tmp_path, dirs_exist_ok=True)
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text("Filename;ClassId\na.ppm;x\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"GT-final_test\.csv, line 2: expected an integer of at least 0, found 'x'"):
        datasets.GTSRB(tmp_path, "test")
    shutil.copytree(roots("Imagenette"), tmp_path, dirs_exist_ok=True)
    (tmp_path / "imagenette2" / "train" / "n00000000").mkdir()
    with pytest.raises(ValueError, match="holds the folder n00000000, which is no class of Imagenette"):
        datasets.Imagenette(tmp_path)
    for version, folder, message in (
        ("2021_train", "00000_Animalia", "expected 00000 and seven names"), ("2018", "Aves/x", "expected a number"),
        ("2019", "Aves/1", "are not numbered from 0 to 0"),
    ):  # fmt: skip
        (tmp_path / version / folder).mkdir(parents=True)
        with pytest.raises(ValueError, match=message):
            datasets.INaturalist(tmp_path, version)


def test_names_of_categories(tmp_path):
    layouts.make_inaturalist(tmp_path)
    found = datasets.INaturalist(tmp_path, "2021_train_mini")
    assert found.category_name("full", 1) == layouts.SPECIES[1]
    assert found.category_name("kingdom", 1) == "Plantae"
    assert datasets.INaturalist(tmp_path, "2017").category_name("super", 0) == "Aves"
    for wrong in (("super", 0), ("kingdom", 2), ("full", 3)):
        with pytest.raises(ValueError, match="category_"):
            found.category_name(*wrong)


def packed(folder: pathlib.Path, name: str) -> bytes:
    """A folder as an archive of the kind that the name says."""
    content = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(content, "w") as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
    else:
        with tarfile.open(fileobj=content, mode="w" if name.endswith(".tar") else "w:gz") as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name)
    return content.getvalue()


ARCHIVES = {  # the folder that the archive is made of, its name, and the attributes that hold its address and digest
    "SUN397": (".", "SUN397.tar.gz"), "Food101": (".", "food-101.tar.gz"), "DTD": ("dtd", "dtd-r1.0.1.tar.gz"),
    "CLEVRClassification": ("clevr", "CLEVR_v1.0.zip"), "Country211": (".", "country211.tgz"),
    "FGVCAircraft": (".", "fgvc-aircraft-2013b.tar.gz"), "EuroSAT": ("eurosat", "EuroSAT.zip"),
    "RenderedSST2": (".", "rendered-sst2.tgz"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_download(tmp_path, roots, name, monkeypatch):
    folder, file = ARCHIVES[name]
    dataset, expected = getattr(datasets, name), getattr(datasets, name)(roots(name))
    content = packed(roots(name) / folder, file)
    with serve({file: content}, cuts=1, cut=100) as server:
        monkeypatch.setattr(dataset, "_URL", server.url(file))
        if hasattr(dataset, "_MD5"):
            monkeypatch.setattr(dataset, "_MD5", hashlib.md5(content).hexdigest())
        found = dataset(tmp_path, download=True)
        assert server.requests[0] == (f"/{file}", None)
        count = len(server.requests)
        dataset(tmp_path, download=True)
        assert len(server.requests) == count
    assert len(found) == len(expected)
    assert found[0][1] == expected[0][1]


def test_download_of_renamed_folders(tmp_path, monkeypatch):
    """As Places365 and iNaturalist, whose archives have folders of other names than those that are read."""
    layouts.make_inaturalist(tmp_path / "made")
    (tmp_path / "packed").mkdir()
    (tmp_path / "made" / "2021_valid").rename(tmp_path / "packed" / "val")
    content = packed(tmp_path / "packed", "val.tar.gz")
    with serve({"val.tar.gz": content}) as server:
        archives = {"2021_valid": (server.url("val.tar.gz"), hashlib.md5(content).hexdigest())}
        monkeypatch.setattr(datasets.INaturalist, "_ARCHIVES", archives)
        found = datasets.INaturalist(tmp_path / "root", "2021_valid", download=True)
        assert len(datasets.INaturalist(tmp_path / "root", "2021_valid", download=True)) == 6
        assert len(server.requests) == 1
    assert found.all_categories == layouts.SPECIES
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["2021_valid", "2021_valid.tgz"]


def test_download_of_places365(tmp_path, monkeypatch):
    layouts.make_places365(tmp_path / "made")
    lists, images = tmp_path / "lists", tmp_path / "images"
    lists.mkdir()
    images.mkdir()
    for path in (tmp_path / "made").glob("*.txt"):
        path.rename(lists / path.name)
    (tmp_path / "made" / "data_256_challenge").rename(images / "data_256")
    dataset = datasets.Places365
    digest = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in lists.iterdir()}
    files = {"lists.tar": packed(lists, "a.tar"), "train_images.tar": packed(images, "a.tar")}
    sums = {name: (name, hashlib.md5(content).hexdigest()) for name, content in files.items()}
    with serve(files) as server:
        monkeypatch.setattr(dataset, "_BASE_URL", server.url(""))
        monkeypatch.setattr(dataset, "_DEVKIT_META", {"challenge": sums["lists.tar"]})
        monkeypatch.setattr(dataset, "_IMAGES_META", {("train-challenge", True): sums["train_images.tar"]})
        name = "categories_places365.txt"
        monkeypatch.setattr(dataset, "_CATEGORIES_META", (name, digest[name]))
        name = "places365_train_challenge.txt"
        monkeypatch.setattr(dataset, "_FILE_LIST_META", {"train-challenge": (name, digest[name])})
        found = dataset(tmp_path / "root", "train-challenge", True, True)
        assert len(found) == 5
        assert found[1][1] == 1
        dataset(tmp_path / "root", "train-challenge", True, True)
        assert len(server.requests) == 2
    (tmp_path / "root" / name).write_text("/a/x.jpg 0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"places365_train_challenge\.txt is damaged or another file"):
        dataset(tmp_path / "root", "train-challenge", True)


def test_caltech101_unpacks_the_archives_in_its_archive(tmp_path, roots, monkeypatch):
    base = roots("Caltech101") / "caltech101"
    members = {}
    for name in ("101_ObjectCategories.tar.gz", "Annotations.tar"):
        folder = name.partition(".")[0]
        (tmp_path / name).mkdir()
        shutil.copytree(base / folder, tmp_path / name / folder)
        members[f"caltech-101/{name}"] = packed(tmp_path / name, name)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    resources = datasets.Caltech101._resources
    with serve({"c.zip": content.getvalue()}) as server:

        def served(self):
            (one,) = resources(self)
            return [type(one)(one.filename, [server.url("c.zip")], contents=one.contents, inner=one.inner)]

        monkeypatch.setattr(datasets.Caltech101, "_resources", served)
        found = datasets.Caltech101(tmp_path / "root", "annotation", download=True)
    assert len(found) == 9
    assert found[0][1].shape == (2, 6)


def test_damaged_archives_of_imagenet(tmp_path, monkeypatch):
    layouts.make_imagenet(tmp_path)
    published = datasets.ImageNet._ARCHIVES
    with pytest.raises(ValueError, match=r"ILSVRC2012_devkit_t12\.tar\.gz is damaged or another file: its md5"):
        datasets.ImageNet(tmp_path)
    digests = {name: hashlib.md5((tmp_path / name).read_bytes()).hexdigest() for name, _ in published.values()}
    here = {key: (name, digests[name]) for key, (name, _) in published.items()}
    monkeypatch.setattr(datasets.ImageNet, "_ARCHIVES", {**here, "val": published["val"]})
    with pytest.raises(ValueError, match=r"ILSVRC2012_img_val\.tar is damaged or another file: its md5"):
        datasets.ImageNet(tmp_path, "val")
    assert not (tmp_path / "val").exists()
    assert len(datasets.ImageNet(tmp_path)) == 6
    (tmp_path / "train" / "n99999999").mkdir()
    with pytest.raises(ValueError, match="holds the folder n99999999, which is no class of ImageNet"):
        datasets.ImageNet(tmp_path, allow_empty=True)


def test_a_meta_bin_that_names_a_function_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    (tmp_path / "train" / "n01440764").mkdir(parents=True)
    for content in (pickle.dumps(Evil()), b"", json.dumps([1]).encode()):
        (tmp_path / "meta.bin").write_bytes(content)
        with pytest.raises(ValueError, match=r"meta\.bin"):
            datasets.ImageNet(tmp_path)


def read_all(dataset):
    return [(image.tobytes(), str(target)) for image, target in dataset]


def test_spawned_processes(roots):
    found = [getattr(datasets, name)(roots(name)) for name in ("Omniglot", "EuroSAT", "Caltech256", "StanfordCars")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(read_all, found) == [read_all(one) for one in found]
