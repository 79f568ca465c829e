"""PhotoTour: patches around points that several photos show (http://matthewalunbrown.com/patchdata/patchdata.html)."""

import glob
import os
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..._weight_files.torch_file import TorchFile
from ..._weight_files.torch_pickle import Tensor
from ..io import open_image
from ._formats import read_lines
from ._published import PublishedDataset, Resource
from .dataset import call_transform

__all__ = ["PhotoTour"]

_SIDE = 64
_BROWN = "http://matthewalunbrown.com/patchdata/"
_BALNTAS = "http://icvl.ee.ic.ac.uk/vbalnt/"


class PhotoTour(PublishedDataset):
    """Patches of three landmarks, greyscale 64x64, and which of them show the same point (Brown et al. 2011).

    For training `dataset[index]` is a patch, uint8 `[64, 64]`. For testing it is two patches and an int: 1 if they show
    the same point, else 0. Data that torchvision prepared, `root/<name>.pt`, are read without running what the file
    names; no such file is written.

    Args:
        root: the folder that holds the folder `name`, or `<name>.pt`.
        name: "notredame", "yosemite", "liberty", or one of these with "_harris": the kind of the points.
        train: single patches, else pairs of them.
        transform: called on every patch.
        download: whether to fetch the archive of `name` and unpack it, if it is missing.

    Attributes:
        data: the patches, uint8 `[N, 64, 64]`.
        labels: the number of the point that each shows, int64 `[N]`.
        matches: int64 `[pairs, 3]`: the indices of two patches, and whether they show the same point.
        mean: the mean of all pixels, from 0 to 1.
        std: their standard deviation.
    """

    urls: ClassVar = {
        "notredame_harris": [
            f"{_BROWN}notredame_harris.zip", "notredame_harris.zip", "69f8c90f78e171349abdf0307afefe4d",
        ],
        "yosemite_harris": [
            f"{_BROWN}yosemite_harris.zip", "yosemite_harris.zip", "a73253d1c6fbd3ba2613c45065c00d46",
        ],
        "liberty_harris": [f"{_BROWN}liberty_harris.zip", "liberty_harris.zip", "c731fcfb3abb4091110d0ae8c7ba182c"],
        "notredame": [f"{_BALNTAS}notredame.zip", "notredame.zip", "509eda8535847b8c0a90bbb210c83484"],
        "yosemite": [f"{_BALNTAS}yosemite.zip", "yosemite.zip", "533b2e8eb7ede31be40abc317b2fd4f0"],
        "liberty": [f"{_BALNTAS}liberty.zip", "liberty.zip", "fdd9152f138ea5ef2091746689176414"],
    }  # fmt: skip
    means: ClassVar = {
        "notredame": 0.4854, "yosemite": 0.4844, "liberty": 0.4437,
        "notredame_harris": 0.4854, "yosemite_harris": 0.4844, "liberty_harris": 0.4437,
    }  # fmt: skip
    stds: ClassVar = {
        "notredame": 0.1864, "yosemite": 0.1818, "liberty": 0.2019,
        "notredame_harris": 0.1864, "yosemite_harris": 0.1818, "liberty_harris": 0.2019,
    }  # fmt: skip
    lens: ClassVar = {
        "notredame": 468159, "yosemite": 633587, "liberty": 450092,
        "liberty_harris": 379587, "yosemite_harris": 450912, "notredame_harris": 325295,
    }  # fmt: skip
    image_ext: ClassVar = "bmp"
    info_file: ClassVar = "info.txt"
    matches_files: ClassVar = "m50_100000_100000_0.txt"

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.name = self._choice("name", name, self.urls)
        self.train = train
        root = os.path.expanduser(os.fspath(root))
        self.data_dir = os.path.join(root, name)
        self.data_down = os.path.join(root, f"{name}.zip")
        self.data_file = os.path.join(root, f"{name}.pt")
        self.mean, self.std = self.means[name], self.stds[name]
        super().__init__(root, transform=transform, download=download)
        prepared = os.path.isfile(self.data_file)
        self.data, self.labels, self.matches = self._read_prepared() if prepared else self._read_published()
        self._check(self.data_file if prepared else self.data_dir)

    def __len__(self) -> int:
        return len(self.data if self.train else self.matches)

    def read(self, index: int) -> Any:
        """The patch in a tuple; for testing, two patches and whether they match."""
        if self.train:
            return (self.data[index],)
        first, second, match = self.matches[index]
        return self.data[first], self.data[second], int(match)

    def _resources(self) -> Sequence[Resource]:
        if os.path.isfile(self.data_file):
            return []
        url, filename, md5 = self.urls[self.name]
        return [Resource(filename, [url], md5=md5, contents={f"{self.name}/": None}, into=self.name)]

    def _transformed(self, *sample: Any, key: Any = None) -> Any:
        if self.transform is not None:
            sample = (*(call_transform(self.transform, patch, key=key) for patch in sample[:2]), *sample[2:])
        return sample[0] if self.train else sample

    def _read_published(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Patches, labels and matches from the mosaics and the lists in the folder of the data set."""
        self._path(f"{self.name}/")
        mosaics = sorted(glob.glob(f"*{self.image_ext}", root_dir=self.data_dir, include_hidden=True))
        patches = [_patches(os.path.join(self.data_dir, mosaic)) for mosaic in mosaics]
        if not patches:
            raise FileNotFoundError(f"{self.data_dir} holds no mosaics of patches *.{self.image_ext}")
        info, matches = (self._path(f"{self.name}/{file}") for file in (self.info_file, self.matches_files))
        try:
            labels = [int(line.split()[0]) for line in read_lines(info)]
        except (IndexError, ValueError) as error:
            raise ValueError(f"{info} is damaged: a line does not start with the number of a point: {error}") from error
        try:
            pairs = [(int(one), int(two), int(a == b)) for one, a, _, two, b, *_ in map(str.split, read_lines(matches))]
        except ValueError as error:
            raise ValueError(f"{matches} is damaged: a line is not two patches and their points: {error}") from error
        return (
            np.concatenate(patches)[: self.lens[self.name]],
            np.array(labels, np.int64),
            np.array(pairs, np.int64).reshape(-1, 3),
        )

    def _read_prepared(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Patches, labels and matches from the file that torchvision made."""
        file = TorchFile(self.data_file)
        match file.content:
            case (Tensor() as data, Tensor() as labels, Tensor() as matches):
                pass
            case _:
                raise ValueError(f"{self.data_file} does not hold three tensors{file.foreign_clause()}")
        if zipfile.is_zipfile(self.data_file):  # the form of torch since 1.6; it has a checksum of each tensor
            try:
                with zipfile.ZipFile(self.data_file) as archive:
                    damaged = archive.testzip()
            except Exception as error:  # on damaged archives zipfile raises exceptions of many types
                raise ValueError(f"{self.data_file} is damaged: {error}") from error
            if damaged is not None:
                raise ValueError(f"{self.data_file} is damaged: the checksum of {damaged} is wrong")
        return file.array(data), file.array(labels), file.array(matches)

    def _check(self, path: str) -> None:
        """ValueError unless patches, labels and matches have the right types and fit each other."""
        data, labels, matches = self.data, self.labels, self.matches
        if data.dtype != np.uint8 or data.shape[1:] != (_SIDE, _SIDE):
            raise ValueError(f"{path} holds patches {data.dtype} {data.shape}, expected uint8 (N, {_SIDE}, {_SIDE})")
        if labels.dtype != np.int64 or labels.shape != (len(data),):
            raise ValueError(f"{path} holds labels {labels.dtype} {labels.shape} for {len(data)} patches")
        if matches.dtype != np.int64 or matches.shape[1:] != (3,):
            raise ValueError(f"{path} holds matches {matches.dtype} {matches.shape}, expected int64 (N, 3)")
        if matches.size and not 0 <= matches[:, :2].min() <= matches[:, :2].max() < len(data):
            raise ValueError(f"{path} is damaged: its matches name patches that are not among the {len(data)}")


def _patches(path: str) -> np.ndarray:
    """The patches in a mosaic, row by row: uint8 [N, 64, 64]."""
    mosaic = np.asarray(open_image(path).getchannel(0))
    height, width = mosaic.shape
    if height % _SIDE or width % _SIDE:
        raise ValueError(f"{path} is {width}x{height}, which is no mosaic of patches of {_SIDE}x{_SIDE}")
    tiles = mosaic.reshape(height // _SIDE, _SIDE, width // _SIDE, _SIDE)
    return tiles.swapaxes(1, 2).reshape(-1, _SIDE, _SIDE)
