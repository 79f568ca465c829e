"""Every data set of the catalogue over its small layout: how the layout is made, and how it is opened by name."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.vision.datasets import action_videos, published
from tests.vision.datasets.layouts import binary, captions, classification, coco, driving, faces, flow, stereo, voc


class Case(NamedTuple):
    """How a data set is opened.

    Attributes:
        make: writes the layout into a folder.
        split: the split that is opened; None is the default of the class.
        root: the folder in that of the layout that is the root.
        options: other arguments. A string that begins with "@" is a path in the folder of the layout.
    """

    make: Callable[[pathlib.Path], Any]
    split: str | None = None
    root: str = ""
    options: Mapping[str, Any] = {}

    def arguments(self, folder: pathlib.Path) -> dict[str, Any]:
        """The options with whole paths."""
        return {
            name: str(folder / value[1:]) if isinstance(value, str) and value.startswith("@") else value
            for name, value in self.options.items()
        }


def digits(name: str) -> Callable[[pathlib.Path], Any]:
    return lambda root: published.write_mnist(root / name / "raw")


def image_folder(root: pathlib.Path) -> None:
    for name in ("cat", "dog"):
        for i in range(2):
            classification.picture(root / name / f"{i}.png")


def cifar(root: pathlib.Path) -> None:
    published.write_files(root / "cifar-10-batches-py", published.cifar10_files())
    published.write_files(root / "cifar-100-python", published.cifar100_files())


def lsun_class(root: pathlib.Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    binary.make_lsun_database(root / "db", 2)


CASES = {
    "caltech101": Case(classification.make_caltech101),
    "caltech256": Case(classification.make_caltech256),
    "carlastereo": Case(stereo.make_carla_stereo),
    "celeba": Case(faces.make_celeba, "val", options={"target_type": ["attr", "bbox", "landmarks"]}),
    "cifar10": Case(cifar, "test"),
    "cifar100": Case(cifar, "train"),
    "cityscapes": Case(driving.make_cityscapes, "val"),
    "clevrclassification": Case(classification.make_clevr, "val"),
    "cococaptions": Case(coco.make_coco, root="images", options={"annFile": "@captions.json"}),
    "cocodetection": Case(coco.make_coco, root="images", options={"annFile": "@instances.json"}),
    "country211": Case(classification.make_country211, "val"),
    "crestereo": Case(stereo.make_crestereo),
    "datasetfolder": Case(image_folder, options={"loader": str, "extensions": ".png"}),
    "dtd": Case(classification.make_dtd, "test", options={"partition": 2}),
    "emnist": Case(lambda root: published.write_emnist(root / "EMNIST" / "raw"), "letters", options={"train": False}),
    "eth3dstereo": Case(stereo.make_eth3d_stereo, "train"),
    "eurosat": Case(classification.make_eurosat),
    "fakedata": Case(lambda root: None, options={"size": 4, "image_size": (3, 5, 6)}),
    "fallingthingsstereo": Case(stereo.make_falling_things_stereo),
    "fashionmnist": Case(digits("FashionMNIST"), "test"),
    "fer2013": Case(faces.make_fer2013, "test"),
    "fgvcaircraft": Case(classification.make_fgvc_aircraft, "test"),
    "flickr30k": Case(captions.make_flickr30k, root="photos", options={"ann_file": "@results.token"}),
    "flickr8k": Case(captions.make_flickr8k, root="photos", options={"ann_file": "@page.html"}),
    "flowers102": Case(classification.make_flowers102, "val"),
    "flyingchairs": Case(flow.make_flying_chairs, "val"),
    "flyingthings3d": Case(flow.make_flying_things, "test"),
    "food101": Case(classification.make_food101, "test"),
    "gtsrb": Case(classification.make_gtsrb, "test"),
    "hd1k": Case(flow.make_hd1k, "train"),
    "hmdb51": Case(
        action_videos.write_hmdb51, "test", "videos", options={"annotation_path": "@splits", "frames_per_clip": 5}
    ),
    "imagefolder": Case(image_folder),
    "imagenet": Case(classification.make_imagenet, "val"),
    "imagenette": Case(classification.make_imagenette, "val", options={"size": "160px"}),
    "inaturalist": Case(classification.make_inaturalist, "val"),
    "instereo2k": Case(stereo.make_instereo2k, "test"),
    "kinetics": Case(action_videos.write_kinetics, "val", options={"frames_per_clip": 5, "extensions": ("mp4",)}),
    "kitti": Case(driving.make_kitti, "train"),
    "kitti2012stereo": Case(stereo.make_kitti_2012_stereo, "train"),
    "kitti2015stereo": Case(stereo.make_kitti_2015_stereo, "train"),
    "kittiflow": Case(flow.make_kitti_flow, "train"),
    "kmnist": Case(digits("KMNIST"), "train"),
    "lfwpairs": Case(faces.make_lfw, "test"),
    "lfwpeople": Case(faces.make_lfw, "train"),
    "lsun": Case(binary.make_lsun, "val"),
    "lsunclass": Case(lsun_class, root="db"),
    "middlebury2014stereo": Case(stereo.make_middlebury_2014_stereo, "additional"),
    "mnist": Case(digits("MNIST"), "test"),
    "movingmnist": Case(binary.make_moving_mnist, "train"),
    "omniglot": Case(classification.make_omniglot, "test"),
    "oxfordiiitpet": Case(classification.make_oxford_iiit_pet, "train"),
    "pcam": Case(binary.make_pcam, "val"),
    "phototour": Case(binary.make_phototour, "test", options={"name": "liberty"}),
    "places365": Case(classification.make_places365, "train", options={"small": True}),
    "qmnist": Case(lambda root: published.write_qmnist(root / "QMNIST" / "raw", "test"), "test"),
    "renderedsst2": Case(classification.make_rendered_sst2, "val"),
    "sbdataset": Case(voc.make_sbd, "train_noval", options={"mode": "segmentation"}),
    "sbu": Case(captions.make_sbu),
    "sceneflowstereo": Case(stereo.make_scene_flow_stereo, options={"variant": "Monkaa"}),
    "semeion": Case(binary.make_semeion),
    "sintel": Case(flow.make_sintel, "test"),
    "sintelstereo": Case(stereo.make_sintel_stereo),
    "stanfordcars": Case(classification.make_stanford_cars, "test"),
    "stl10": Case(binary.make_stl10, "unlabeled"),
    "sun397": Case(classification.make_sun397),
    "svhn": Case(binary.make_svhn, "extra"),
    "ucf101": Case(
        action_videos.write_ucf101, "train", "UCF-101",
        options={"annotation_path": "@ucfTrainTestlist", "frames_per_clip": 5},
    ),
    "usps": Case(binary.make_usps, "test"),
    "vocdetection": Case(voc.make_voc, "test", options={"year": "2007"}),
    "vocsegmentation": Case(voc.make_voc, "val"),
    "widerface": Case(faces.make_widerface, "val"),
}
