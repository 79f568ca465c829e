"""Detection, segmentation, flow and stereo: options, missing files, downloads, archives put in place."""

import hashlib
import io
import json
import pathlib
import pickle
import re
import shutil
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from funcvision.vision import datasets
from funcvision.vision.datasets import middlebury, voc
from tests.vision.datasets.layouts import flow, stereo, write
from tests.vision.datasets.layouts.coco import make_coco
from tests.vision.datasets.layouts.driving import make_cityscapes, make_kitti
from tests.vision.datasets.layouts.voc import make_sbd, make_voc
from tests.vision.loopback import serve


def packed(folder: pathlib.Path, kind: str, below: str = "") -> bytes:
    """An archive of what is in a folder, each name with `below` before it."""
    files = {below + path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, path in files.items():
                archive.write(path, name)
    else:
        with tarfile.open(fileobj=buffer, mode=kind) as archive:
            for name, path in files.items():
                archive.add(path, name)
    return buffer.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


OPTIONS = [
    ("VOCDetection", {"year": "2013"}, "year='2013' is none of"),
    ("VOCDetection", {"image_set": "test"}, "image_set='test' is none of"),
    ("VOCSegmentation", {"image_set": "training"}, "image_set='training' is none of"),
    ("SBDataset", {"mode": "edges"}, "mode='edges' is none of"),
    ("SBDataset", {"image_set": "test"}, "image_set='test' is none of"),
    ("Cityscapes", {"mode": "rough"}, "mode='rough' is none of"),
    ("Cityscapes", {"split": "train_extra"}, "split='train_extra' is none of"),
    ("Cityscapes", {"mode": "coarse", "split": "test"}, "split='test' is none of"),
    ("Cityscapes", {"target_type": ["instance", "boxes"]}, "target_type='boxes' is none of"),
    *[(name, {"split": "validation"}, "split='validation' is none of")
      for name in ("KittiFlow", "Sintel", "FlyingChairs", "FlyingThings3D", "HD1K", "Kitti2012Stereo", "ETH3DStereo",
                   "Kitti2015Stereo", "Middlebury2014Stereo", "InStereo2k")],
    *[(name, {"pass_name": "dirty"}, "pass_name='dirty' is none of")
      for name in ("Sintel", "FlyingThings3D", "SintelStereo", "SceneFlowStereo")],
    ("FlyingThings3D", {"camera": "top"}, "camera='top' is none of"),
    ("SceneFlowStereo", {"variant": "Flying"}, "variant='Flying' is none of"),
    ("FallingThingsStereo", {"variant": "all"}, "variant='all' is none of"),
    ("Middlebury2014Stereo", {"calibration": "good"}, "calibration='good' is none of"),
    ("Middlebury2014Stereo", {"calibration": None}, "calibration=None does not fit split='train'"),
    ("Middlebury2014Stereo", {"split": "test"}, "calibration='perfect' does not fit split='test'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "message"), OPTIONS)
def test_bad_options(tmp_path, name, options, message):
    for make in (flow.make_sintel, flow.make_flying_things, stereo.make_sintel_stereo):
        make(tmp_path)
    with pytest.raises(ValueError, match=message):
        getattr(datasets, name)(tmp_path, **options)


EVERY = [
    "VOCDetection", "VOCSegmentation", "SBDataset", "Cityscapes", "Kitti", "KittiFlow", "Sintel", "FlyingChairs",
    "FlyingThings3D", "HD1K", "CarlaStereo", "Kitti2012Stereo", "Kitti2015Stereo", "Middlebury2014Stereo", "CREStereo",
    "FallingThingsStereo", "SceneFlowStereo", "SintelStereo", "InStereo2k", "ETH3DStereo",
]  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_a_missing_folder(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        getattr(datasets, name)(tmp_path)


def test_missing_files_of_coco(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.json"):
        datasets.CocoDetection(tmp_path, tmp_path / "a.json")
    make_coco(tmp_path)
    (tmp_path / "images" / "000000000007.jpg").unlink()
    data = datasets.CocoDetection(tmp_path / "images", tmp_path / "instances.json")
    with pytest.raises(FileNotFoundError, match=r"000000000007\.jpg"):
        data[0]
    with pytest.raises(ValueError, match="has no 'caption': take a file of COCO's captions"):
        datasets.CocoCaptions(tmp_path / "images", tmp_path / "instances.json")[3]


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_coco_in_any_language(tmp_path, start):
    write.image(tmp_path / "été.png")
    entries = {
        "images": [{"id": 1, "file_name": "été.png"}],
        "annotations": [{"id": 5, "image_id": 1, "caption": "ein Hund \U0001f436, 犬"}],
        "categories": [{"id": 1, "name": "犬"}],
    }
    write.text(tmp_path / "a.json", start + json.dumps(entries, ensure_ascii=False, indent=1))
    data = datasets.CocoCaptions(tmp_path, tmp_path / "a.json")
    assert data[0][1] == ["ein Hund \U0001f436, 犬"]
    assert (data.coco.dataset, data.coco.imgToAnns) == (entries, {1: entries["annotations"]})
    (tmp_path / "a.json").write_bytes(json.dumps(entries, ensure_ascii=False).encode("utf-16"))
    with pytest.raises(ValueError, match=r"a\.json .*damaged"):
        datasets.CocoCaptions(tmp_path, tmp_path / "a.json")


MAKERS = {
    "KittiFlow": (flow.make_kitti_flow, "KittiFlow/training/flow_occ/000001_10.png"),
    "Sintel": (flow.make_sintel, "Sintel/training/flow/alley_1/frame_0002.flo"),
    "FlyingChairs": (flow.make_flying_chairs, "FlyingChairs/data/00002_flow.flo"),
    "FlyingThings3D": (
        flow.make_flying_things, "FlyingThings3D/optical_flow/TRAIN/A/0000/into_past/left/OpticalIntoPast_0007_L.pfm",
    ),
    "HD1K": (flow.make_hd1k, "hd1k/hd1k_flow_gt/flow_occ/000000_0001.png"),
    "CarlaStereo": (stereo.make_carla_stereo, "carla-highres/trainingF/scene1/disp0GT.pfm"),
    "Kitti2012Stereo": (stereo.make_kitti_2012_stereo, "Kitti2012/training/disp_noc/000000_10.png"),
    "CREStereo": (stereo.make_crestereo, "CREStereo/tree/0_left.disp.png"),
    "ETH3DStereo": (stereo.make_eth3d_stereo, "ETH3D/two_view_training_gt/facade_1s/disp0GT.pfm"),
    "InStereo2k": (stereo.make_instereo2k, "InStereo2k/train/000000/left.png"),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_a_file_is_missing_among_many(tmp_path, name):
    """Torchvision would pair the files after it with the wrong images."""
    make, path = MAKERS[name]
    make(tmp_path)
    (tmp_path / path).unlink()
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        getattr(datasets, name)(tmp_path)


@pytest.mark.parametrize("name", MAKERS)
def test_threads_and_pickling(tmp_path, name):
    MAKERS[name][0](tmp_path)
    data = getattr(datasets, name)(tmp_path)
    copy = pickle.loads(pickle.dumps(data))
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(copy.__getitem__, [i % len(data) for i in range(12)]))
    for i, sample in enumerate(samples):
        np.testing.assert_array_equal(sample[2], data[i % len(data)][2])


def test_threads_and_pickling_of_boxes_and_masks(tmp_path):
    for make in (make_coco, make_voc, make_sbd, make_cityscapes, make_kitti):
        make(tmp_path)
    for data in (
        datasets.CocoDetection(tmp_path / "images", tmp_path / "instances.json"), datasets.VOCDetection(tmp_path),
        datasets.VOCSegmentation(tmp_path), datasets.SBDataset(tmp_path), datasets.Cityscapes(tmp_path),
        datasets.Kitti(tmp_path),
    ):  # fmt: skip
        copy = pickle.loads(pickle.dumps(data))
        with ThreadPoolExecutor(4) as pool:
            samples = list(pool.map(copy.__getitem__, [i % len(data) for i in range(12)]))
        for i, (image, target) in enumerate(samples):
            expected = data[i % len(data)]
            assert image.tobytes() == expected[0].tobytes()
            if isinstance(target, list | dict):
                assert target == expected[1]
            else:
                np.testing.assert_array_equal(np.asarray(target), np.asarray(expected[1]))


def test_flow_png_of_another_kind(tmp_path):
    flow.make_hd1k(tmp_path)
    path = tmp_path / "hd1k/hd1k_flow_gt/flow_occ/000000_0000.png"
    shutil.copy(tmp_path / "hd1k/hd1k_input/image_2/000000_0000.png", path)
    with pytest.raises(ValueError, match=r"000000_0000\.png holds uint8 .*expected a flow"):
        datasets.HD1K(tmp_path)[0]


def test_lines_of_kitti(tmp_path):
    make_kitti(tmp_path)
    path = tmp_path / "Kitti/raw/training/label_2/000000.txt"
    lines = {"Car 1 2\n": "a line has 3 words", "Car" + " x" * 14: "damaged", "é" * 15: "damaged"}
    for content, message in lines.items():
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=rf"000000\.txt .*{message}"):
            datasets.Kitti(tmp_path)[0]


def test_download_of_voc(tmp_path, monkeypatch):
    make_voc(tmp_path / "source", ("2012", "2007"))
    shutil.rmtree(tmp_path / "source/VOCdevkit/VOC2007/ImageSets/Main")
    content = {"train.tar": packed(tmp_path / "source", "w")}
    with serve(content, cut=100_000, cuts=0) as server:
        monkeypatch.setattr(voc, "_MIRRORS", (server.url("none/"), server.url("")))
        table = {"2012": ("train.tar", md5(content["train.tar"]), "VOCdevkit/VOC2012")}
        monkeypatch.setattr(voc, "_ARCHIVES", table)
        with pytest.raises(FileNotFoundError, match="pass download=True to fetch it"):
            datasets.VOCDetection(tmp_path)
        data = datasets.VOCDetection(tmp_path, download=True)
        count = len(server.requests)
        datasets.VOCDetection(tmp_path, image_set="val", download=True)
    assert len(data) == len(datasets.VOCSegmentation(tmp_path)) == 3
    assert len(server.requests) == count  # what is there is not fetched again


def test_both_parts_of_voc_2007(tmp_path, monkeypatch):
    make_voc(tmp_path / "source", ("2007",))
    lists = [tmp_path / "source/VOCdevkit/VOC2007/ImageSets" / kind / "test.txt" for kind in ("Main", "Segmentation")]
    whole = packed(tmp_path / "source", "w")
    for path in lists:
        path.unlink()
    files = {"trainval.tar": packed(tmp_path / "source", "w"), "test.tar": whole}
    with serve(files) as server:
        monkeypatch.setattr(voc, "_MIRRORS", (server.url(""),))
        table = {"2007": "trainval.tar", "2007-test": "test.tar"}
        rows = {key: (name, md5(files[name]), "VOCdevkit/VOC2007") for key, name in table.items()}
        monkeypatch.setattr(voc, "_ARCHIVES", rows)
        assert len(datasets.VOCDetection(tmp_path, "2007", download=True)) == 3
        assert len(datasets.VOCDetection(tmp_path, "2007", "test", download=True)) == 2


def test_download_of_sbd(tmp_path, monkeypatch):
    make_sbd(tmp_path / "source")
    noval = (tmp_path / "source" / "train_noval.txt").read_bytes()
    (tmp_path / "source" / "train_noval.txt").unlink()
    files = {
        "benchmark.tgz": packed(tmp_path / "source", "w:gz", "benchmark_RELEASE/dataset/"), "train_noval.txt": noval,
    }  # fmt: skip
    root = tmp_path / "root"
    with serve(files, cut=300, cuts=2) as server:
        monkeypatch.setattr(datasets.SBDataset, "url", server.url("benchmark.tgz"))
        monkeypatch.setattr(datasets.SBDataset, "md5", md5(files["benchmark.tgz"]))
        monkeypatch.setattr(datasets.SBDataset, "voc_train_url", server.url("train_noval.txt"))
        monkeypatch.setattr(datasets.SBDataset, "voc_split_md5", md5(noval))
        assert len(datasets.SBDataset(root, "train_noval", download=True)) == 1
    assert len(datasets.SBDataset(root)[1]) == 2
    assert not (root / "benchmark_RELEASE").exists()


def test_download_of_kitti(tmp_path, monkeypatch):
    make_kitti(tmp_path / "source")
    raw = tmp_path / "source/Kitti/raw"
    labels, images = tmp_path / "labels", tmp_path / "images"
    shutil.copytree(raw / "training/label_2", labels / "training/label_2")
    shutil.rmtree(raw / "training/label_2")
    shutil.copytree(raw, images)
    files = {"data_object_image_2.zip": packed(images, "zip"), "data_object_label_2.zip": packed(labels, "zip")}
    with serve(files) as server:
        monkeypatch.setattr(datasets.Kitti, "data_url", server.url(""))
        assert len(datasets.Kitti(tmp_path / "root", download=True)[0][1]) == 3
        assert len(datasets.Kitti(tmp_path / "root", train=False, download=True)) == 2
    assert len(server.requests) == 2


def test_download_of_middlebury(tmp_path, monkeypatch):
    stereo.make_middlebury_2014_stereo(tmp_path / "source")
    source = tmp_path / "source/Middlebury2014"
    files = {
        f"{scene.name}.zip": packed(scene, "zip", f"{scene.name}/") for scene in (source / "additional").iterdir()
    }
    files["MiddEval3-data-F.zip"] = packed(source / "test", "zip", "MiddEval3/testF/")
    root = tmp_path / "root"
    splits = {**datasets.Middlebury2014Stereo.splits, "additional": ["Mask"], "test": ["Hoops", "Plants"]}
    monkeypatch.setattr(datasets.Middlebury2014Stereo, "splits", splits)
    with serve(files) as server:
        monkeypatch.setattr(middlebury, "_URL", server.url(""))
        monkeypatch.setattr(middlebury, "_TEST_URL", server.url("MiddEval3-data-F.zip"))
        assert len(datasets.Middlebury2014Stereo(root, "additional", download=True)) == 1
        assert not (root / "Middlebury2014/additional/Mask-imperfect").exists()  # it was not asked for
        assert len(datasets.Middlebury2014Stereo(root, "additional", "both", download=True)) == 2
        assert len(datasets.Middlebury2014Stereo(root, "test", None, download=True)) == 2
        datasets.Middlebury2014Stereo(root, "test", None, download=True)
    assert len(server.requests) == 3


def test_archives_of_cityscapes_put_in_place(tmp_path):
    make_cityscapes(tmp_path / "source")
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(FileNotFoundError, match=r"get leftImg8bit_trainvaltest\.zip from https://www\.cityscapes"):
        datasets.Cityscapes(root)
    for folder, name in {"leftImg8bit": "leftImg8bit_trainvaltest", "gtFine": "gtFine_trainvaltest"}.items():
        (root / f"{name}.zip").write_bytes(packed(tmp_path / "source" / folder, "zip", f"{folder}/"))
    assert len(datasets.Cityscapes(root, "val")) == 3


def test_annotations_of_coco_are_pickled_without_their_text(tmp_path):
    make_coco(tmp_path)
    opened = datasets.CocoDetection(tmp_path / "images", tmp_path / "instances.json")
    opened.coco.dataset, opened.coco.anns, opened.coco.imgToAnns  # noqa: B018, they are computed and kept
    content = pickle.dumps(opened)
    assert b"segmentation" not in content
    again = pickle.loads(content)
    assert [again[i][1] for i in range(5)] == [opened[i][1] for i in range(5)]
    assert again.coco.dataset == opened.coco.dataset
    path = tmp_path / "instances.json"
    path.write_bytes(path.read_bytes().replace(b"7", b"8"))
    with pytest.raises(ValueError, match=r"instances\.json has changed since the data set was opened"):
        pickle.loads(content)
