"""Labeled Faces in the Wild: who is it, and are these the same person (http://vis-www.cs.umass.edu/lfw/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_lines
from ._published import PublishedDataset, Resource
from .dataset import call_transform
from .folder import default_loader

__all__ = ["LFWPairs", "LFWPeople"]


class _LFW(PublishedDataset):
    """What people and pairs share: the photos, aligned in three ways, and the lists of the splits."""

    base_folder: ClassVar = "lfw-py"
    download_url_prefix: ClassVar = "http://vis-www.cs.umass.edu/lfw/"
    file_dict: ClassVar = {
        "original": ("lfw", "lfw.tgz", "a17d05bd522c52d84eca14327a23d494"),
        "funneled": ("lfw_funneled", "lfw-funneled.tgz", "1b42dfed7d15c9b2dd63d5e5840c86ad"),
        "deepfunneled": ("lfw-deepfunneled", "lfw-deepfunneled.tgz", "68331da3eb755a505a502b5aacb3c201"),
    }
    checksums: ClassVar = {
        "pairs.txt": "9f1ba174e4e1c508ff7cdf10ac338a7d",
        "pairsDevTest.txt": "5132f7440eb68cf58910c8a45a2ac10b",
        "pairsDevTrain.txt": "4f27cbf15b2da4a85c1907eb4181ad21",
        "people.txt": "450f0863dd89e85e73936a6d71a3474b",
        "peopleDevTest.txt": "e4bf5be0a43b5dcd9dc5ccfcb8fb19c5",
        "peopleDevTrain.txt": "54eaac34beb6d042ed3a7d883e247a21",
        "lfw-names.txt": "a6d0a479bd074669f656265a6e693f6d",
    }
    annot_file: ClassVar = {"10fold": "", "train": "DevTrain", "test": "DevTest"}
    names: ClassVar = "lfw-names.txt"
    view: ClassVar = ""
    _homepage: ClassVar = "https://www.kaggle.com/datasets/jessicali9530/lfw-dataset"

    data: list[Any]
    targets: list[int]

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.image_set = self._choice("image_set", image_set.lower(), self.file_dict)
        self.split = self._choice("split", split.lower(), self.annot_file)
        folder, self.filename, self.md5 = self.file_dict[self.image_set]
        self.labels_file = f"{self.view}{self.annot_file[self.split]}.txt"
        root = os.path.join(root, self.base_folder)
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self._path(f"{folder}/")
        self.images_dir = os.path.join(self.root, folder)
        self._loader = loader

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """The alignment and the split."""
        return f"Alignment: {self.image_set}\nSplit: {self.split}"

    def _resources(self) -> Sequence[Resource]:
        folder, archive, md5 = self.file_dict[self.image_set]
        lists = [self.labels_file, self.names] if self.view == "people" else [self.labels_file]
        return [
            Resource(archive, md5=md5, contents={f"{folder}/": None}),
            *(Resource(name, md5=self.checksums[name]) for name in lists),
        ]

    def _photo(self, person: str, number: str | int) -> str:
        """The path of a photo."""
        return os.path.join(self.images_dir, person, f"{person}_{int(number):04d}.jpg")


class LFWPeople(_LFW):
    """13,233 photos of 5,749 people (Huang et al. 2007), to tell who it is.

    `dataset[index]` is what `loader` returns, a `PIL.Image` of mode RGB, and the person as an int. The files are no
    longer published; an error says where a copy is.

    Args:
        root: the folder that holds `lfw-py`.
        split: "10fold", all photos; "train" or "test", the sets for developing a method.
        image_set: how the faces are aligned: "original", "funneled" or "deepfunneled".
        transform: called on every image.
        target_transform: called on every label.
        download: has no effect, because the files are no longer published.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        data: the path of every photo.
        targets: the label of every photo.
        classes: the names of all people, in the order of their labels.
    """

    view: ClassVar = "people"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, split, image_set, transform, target_transform, download, loader)
        path = self._path(self.names)
        self.classes = [line.split()[0] for line in read_lines(path) if line.strip()]
        path = self._path(self.labels_file)
        self.data, self.targets = [], []
        try:
            self._read_list(read_lines(path))
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"{path} is damaged: it does not list people and how many photos they have") from error

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its label."""
        return self._loader(self.data[index]), self.targets[index]

    def extra_repr(self) -> str:
        """The alignment, the split, and the number of people."""
        return f"{super().extra_repr()}\nClasses (identities): {len(self.class_to_idx)}"

    def _read_list(self, lines: list[str]) -> None:
        """Fills `data` and `targets`: every fold is a number of lines, and lines of a name and a number of photos."""
        folds, start = (int(lines[0]), 1) if self.split == "10fold" else (1, 0)
        for _ in range(folds):
            end = start + 1 + int(lines[start])
            people = [line.strip().split("\t") for line in lines[start + 1 : end]]
            if len(people) != end - start - 1:
                raise ValueError("the list ends early")
            for person, count in people:
                photos = [self._photo(person, number) for number in range(1, int(count) + 1)]
                self.data += photos
                self.targets += [self.class_to_idx[person]] * len(photos)
            start = end


class LFWPairs(_LFW):
    """Pairs of photos of the same person or of two people (Huang et al. 2007), to verify faces.

    `dataset[index]` is two images, as `loader` returns them, and an int: 1 for the same person, else 0. The files are
    no longer published; an error says where a copy is.

    Args:
        root: the folder that holds `lfw-py`.
        split: "10fold", 6,000 pairs; "train" or "test", the sets for developing a method.
        image_set: how the faces are aligned: "original", "funneled" or "deepfunneled".
        transform: called on every image.
        target_transform: called on every target.
        download: has no effect, because the files are no longer published.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        data: the two paths of every pair.
        pair_names: the two names of every pair.
        targets: 1 or 0 for every pair.
    """

    view: ClassVar = "pairs"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, split, image_set, transform, target_transform, download, loader)
        path = self._path(self.labels_file)
        self.pair_names: list[tuple[str, str]] = []
        self.data, self.targets = [], []
        try:
            self._read_list(read_lines(path))
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path} is damaged: it does not list pairs of photos") from error

    def read(self, index: int) -> Any:
        """Both images, and whether they show the same person."""
        first, second = self.data[index]
        return self._loader(first), self._loader(second), self.targets[index]

    def _transformed(self, *sample: Any, key: Any = None) -> Any:
        first, second, target = sample
        if self.transform is not None:
            first, second = (call_transform(self.transform, image, key=key) for image in (first, second))
        if self.target_transform is not None:
            target = call_transform(self.target_transform, target, key=key)
        return first, second, target

    def _read_list(self, lines: list[str]) -> None:
        """Fills `pair_names`, `data` and `targets`: every fold has as many pairs of one person as of two people."""
        folds, count = map(int, lines[0].split("\t")) if self.split == "10fold" else (1, int(lines[0]))
        if folds < 0 or count < 0 or len(lines) < 1 + 2 * folds * count:
            raise ValueError("the list ends early")
        for i in range(2 * folds * count):
            same = i // count % 2 == 0
            fields = lines[1 + i].strip().split("\t")
            if same:
                fields.insert(2, fields[0])
            one, number, other, other_number = fields
            self.pair_names.append((one, other))
            self.data.append((self._photo(one, number), self._photo(other, other_number)))
            self.targets.append(int(same))
