"""Middlebury's stereo pairs of 2014 (Scharstein et al. 2014, https://vision.middlebury.edu/stereo/data/scenes2014/)."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..archive import unpack
from ..io import open_image
from ._published import PublishedDataset, Resource
from ._stereo import StereoMatchingDataset

__all__ = ["Middlebury2014Stereo"]

_URL = "https://vision.middlebury.edu/stereo/data/scenes2014/zip/"
_TEST_URL = "https://vision.middlebury.edu/stereo/submit3/zip/MiddEval3-data-F.zip"
_ENDINGS = {"perfect": ["-perfect"], "imperfect": ["-imperfect"], "both": ["-perfect", "-imperfect"]}


class Middlebury2014Stereo(StereoMatchingDataset, PublishedDataset):
    """Stereo pairs of indoor scenes: 23 with disparities in two calibrations, and 15 for testing.

    `dataset[index]` is (left image, right image, disparity, mask), the disparity float32 `[height, width, 1]` in
    pixels, 0 where it is not known, the mask bool `[height, width]`, False there. Both are None for testing.

    Args:
        root: the folder that holds `Middlebury2014/train`, `additional` and `test`.
        split: "train", "additional" or "test".
        calibration: "perfect", "imperfect", or "both" one after the other; None for testing, which has one only.
        use_ambient_views: take as the right image at random `im1.png`, or, where they are there, `im1E.png` with
            another exposure or `im1L.png` with another light. A loader draws it from its key, so the same seed gives
            the same view. `dataset[index]` draws anew each time.
        transforms: see `StereoMatchingDataset`.
        download: whether to fetch the scenes that are missing into `root/Middlebury2014`.

    Attributes:
        splits: the names of the scenes of each split.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: an archive could not be downloaded.
    """

    splits: ClassVar = {
        "train": [
            "Adirondack", "Jadeplant", "Motorcycle", "Piano", "Pipes", "Playroom", "Playtable", "Recycle", "Shelves",
            "Vintage",
        ],
        "additional": [
            "Backpack", "Bicycle1", "Cable", "Classroom1", "Couch", "Flowers", "Mask", "Shopvac", "Sticks", "Storage",
            "Sword1", "Sword2", "Umbrella",
        ],
        "test": [
            "Plants", "Classroom2E", "Classroom2", "Australia", "DjembeL", "CrusadeP", "Crusade", "Hoops", "Bicycle2",
            "Staircase", "Newkuba", "AustraliaP", "Djembe", "Livingroom", "Computer",
        ],
    }  # fmt: skip
    has_mask = True
    _folder_name = "Middlebury2014"
    _homepage = "https://vision.middlebury.edu/stereo/data/scenes2014/"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        calibration: str | None = "perfect",
        use_ambient_views: bool = False,
        transforms: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, tuple(self.splits))
        if (calibration is None) != (split == "test"):
            raise ValueError(
                f"calibration={calibration!r} does not fit split={split!r}: give None for 'test', and one of "
                f"{', '.join(_ENDINGS)} for the others"
            )
        self._scene_endings = _ENDINGS[self._choice("calibration", calibration, _ENDINGS)] if calibration else [""]
        self.use_ambient_views = self.reads_randomly = use_ambient_views
        StereoMatchingDataset.__init__(self, root, transforms)
        if download:
            self.download()
        folder = self._path(f"{split}/")
        scenes = os.listdir(folder)
        if not any(scene.startswith(name) for scene in scenes for name in self.splits[split]):
            raise FileNotFoundError(f"{folder} holds no scene of the split {split!r}, such as {self.splits[split][0]}")
        for ending in self._scene_endings:
            self._add_images(folder, f"*{ending}/im0.png", f"*{ending}/im1.png")
            if split != "test":
                self._add_disparities(folder, f"*{ending}/disp0.pfm", f"*{ending}/disp1.pfm")
        if split == "test":
            self._no_disparities()

    @property
    def load_sample(self) -> Callable[..., Any]:
        """A function `(index, *, key)` that gives a sample; the view and what is random in transforms come from `key`.

        Raises:
            AttributeError: nothing is random.
        """
        if not self.use_ambient_views:
            return super().load_sample
        return self._load_sample

    def read_disparity(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        """The disparity in a `.pfm` file and where it is known."""
        disparity = self._read_pfm(path)
        disparity[np.isinf(disparity)] = 0
        return disparity, disparity[:, :, 0] > 0

    def _load_sample(self, index: int, *, key: Any) -> tuple[Any, ...]:
        random = np.random.default_rng(key)  # a Generator stays as it is
        return self._transformed(*self.read_random(index, random), key=random)

    def _read_image(self, path: str, random: np.random.Generator) -> Image.Image:
        folder, name = os.path.split(path)
        if self.use_ambient_views and name == "im1.png":
            others = [os.path.join(folder, view) for view in ("im1E.png", "im1L.png")]
            views = [*filter(os.path.exists, others), path]
            path = views[random.integers(len(views))]
        return open_image(path)

    def _resources(self) -> Sequence[Resource]:
        if self.split == "test":
            scenes = {f"test/{scene}/": None for scene in self.splits["test"]}
            return [Resource("MiddEval3-data-F.zip", [_TEST_URL], contents=scenes, into="test")]
        names = [scene + ending for scene in self.splits[self.split] for ending in self._scene_endings]
        return [
            Resource(f"{self.split}/{name}.zip", [f"{_URL}{name}.zip"], contents={f"{self.split}/{name}/": None},
                     into=self.split)
            for name in names
        ]  # fmt: skip

    def _unpack(self, resource: Resource, file: str) -> None:
        """Unpacks an archive. The scenes for testing lie in folders of their own in theirs."""
        if self.split != "test":
            return super()._unpack(resource, file)
        target = os.path.join(self.folder, "test")
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".unpack-") as temporary:
            unpack(file, temporary)
            inner = os.path.join(temporary, "MiddEval3", "testF")
            for scene in sorted(os.listdir(inner)):
                shutil.copytree(os.path.join(inner, scene), os.path.join(target, scene), dirs_exist_ok=True)
        return None
