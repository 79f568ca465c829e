"""Data sets that are folders of files, one folder per class."""

import dataclasses
import functools
import os
import warnings
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from ..io import open_image
from ._index import Files, list_classes
from .dataset import VisionDataset

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "ImageFolder", "default_loader"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""The endings of file names, in small letters or capitals, that `ImageFolder` takes for images."""


def default_loader(path: str, *, exif: bool = False) -> Image.Image:
    """The image in a file, converted to mode RGB; see `vision.io.open_image`.

    Args:
        path: the file.
        exif: turn and mirror the image as its EXIF orientation says. As in torchvision, this is off by default.

    Raises:
        ValueError: the file is no image, is damaged, has too many pixels, or has values of unknown range; the message
            names it.
    """
    return open_image(path, exif=exif)


class DatasetFolder(VisionDataset):
    """Files in folders named after their classes: `root/<class>/<any folders>/<file>`.

    The classes are sorted by name, and the files of a class by folder and name. `dataset[index]` is
    `(loader(path), label)`. A subclass may override `find_classes` to choose or group classes, and `make_dataset` to
    list other files.

    Symbolic links to folders are followed, except a link to a folder that contains it. Hidden folders and files, whose
    names start with a dot, are taken as in torchvision. A warning names both.

    The list of 10,000 files or more is kept in `$FUNCVISION_HOME/index`, and folders that have not changed are not
    listed again. Files that are added, removed or renamed change the time of their folder, and are noticed by it.
    A file that is replaced by another of the same name need not be noticed: only names are kept.

    Args:
        root: the folder of the class folders.
        loader: called on the path of a file. `functools.partial(default_loader, exif=True)` reads photos upright.
        extensions: the endings of the names of files to take, in small letters; capitals match too.
        transform: called on what the loader returns.
        target_transform: called on every label.
        is_valid_file: called on a path, says whether to take the file; excludes `extensions`.
        allow_empty: whether a class may have no files.

    Attributes:
        classes: the names of the classes, in the order of their labels.
        class_to_idx: the label of each name.
        samples: (path, label) of every file.
        targets: the label of every file.

    Raises:
        FileNotFoundError: `root` is missing or has no folders, or a class has no files.
        ValueError: neither or both of `extensions` and `is_valid_file` are given.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: str | Sequence[str] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        self.extensions = extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [label for _, label in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """The names of the classes, which are the folders in `directory`, sorted, and the label of each."""
        with os.scandir(directory) as entries:
            classes = sorted(entry.name for entry in entries if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"{directory} has no folders in it; expected one for each class")
        return classes, {name: label for label, name in enumerate(classes)}

    @staticmethod
    def make_dataset(
        directory: str,
        class_to_idx: dict[str, int],
        extensions: str | Sequence[str] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """(path, label) of every file of every class; arguments and errors are those of the class."""
        if not class_to_idx:
            raise ValueError("class_to_idx is empty, so there are no files to list; give at least one class")
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("give either extensions or is_valid_file, and not both")
        endings = None if extensions is None else (extensions,) if isinstance(extensions, str) else tuple(extensions)
        files = list_classes(directory, class_to_idx, endings)
        if is_valid_file is not None:
            files = {name: _valid(os.path.join(directory, name), files[name], is_valid_file) for name in files}
        empty = sorted(name for name, of_class in files.items() if not any(one.names for one in of_class))
        if empty and not allow_empty:
            expected = "" if extensions is None else f", which end in {extensions}"
            raise FileNotFoundError(
                f"{directory} has no files{expected}, for the classes {', '.join(empty)}; "
                "pass allow_empty=True if classes may be empty"
            )
        _warn_of_hidden(directory, files)
        samples: list[tuple[str, int]] = []
        for name in sorted(files):
            label = class_to_idx[name]
            for one in files[name]:
                folder = os.path.join(directory, name, one.folder, "")
                samples += [(folder + file, label) for file in one.names]
        return samples

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, index: int) -> tuple[Any, Any]:
        """What the loader returns for a file, and its label."""
        path, target = self.samples[index]
        return self.loader(path), target


class ImageFolder(DatasetFolder):
    """Images in folders named after their classes: `root/<class>/<any folders>/<image>`.

    `dataset[index]` is a `PIL.Image` of mode RGB and the label as an int.

    Args:
        root: the folder of the class folders.
        transform: called on every image.
        target_transform: called on every label.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.
        is_valid_file: called on a path, says whether to take it; by default, files ending as in `IMG_EXTENSIONS`.
        allow_empty: whether a class may have no images.
        exif: turn and mirror images as their EXIF orientation says. As in torchvision, this is off by default. A loader
            of your own does this itself.

    Attributes:
        imgs: another name for `samples`; the other attributes are those of `DatasetFolder`.

    Raises:
        FileNotFoundError: `root` is missing or has no folders, or a class has no images; the message names those.
        ValueError: when an image is read, if it is damaged or truncated, has too many pixels, or has values of unknown
            range; the message names the file. Or both `loader` and `exif` are given.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
        *,
        exif: bool = False,
    ):
        if exif and loader is not default_loader:
            raise ValueError("exif=True is for the default loader: turn the image in your own, or give no loader")
        loader = functools.partial(default_loader, exif=True) if exif else loader
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples


def _valid(folder: str, files: Sequence[Files], is_valid_file: Callable[[str], bool]) -> list[Files]:
    """The files of a class whose paths the function takes."""
    valid = []
    for one in files:
        parent = os.path.join(folder, one.folder, "")
        names = [name for name in one.names if is_valid_file(parent + name)]
        valid.append(dataclasses.replace(one, names=names))
    return valid


def _warn_of_hidden(directory: str, files: Mapping[str, Sequence[Files]]) -> None:
    """Warns if hidden files, or files in hidden folders, are among those of the classes: most of them are no data."""
    hidden = []
    for name, of_class in files.items():
        for one in of_class:
            folder = os.path.join(os.sep, name, one.folder, "")
            # The names are sorted, and "/" follows ".": between them are those that start with a dot.
            dotted = slice(bisect_left(one.names, "."), bisect_left(one.names, "/"))
            names = one.names if f"{os.sep}." in folder else one.names[dotted]
            hidden += [directory.rstrip(os.sep) + folder + file for file in names]
    if hidden:
        with_files = (name for name, of_class in files.items() if any(one.names for one in of_class))
        classes = sorted(name for name in with_files if name.startswith("."))
        became = f", and {', '.join(classes)} became {'a class' if len(classes) == 1 else 'classes'}" if classes else ""
        warnings.warn(
            f"{len(hidden)} files under {directory} are hidden or in hidden folders, such as {hidden[0]}{became}, as "
            f"in torchvision: delete them, or leave them out by is_valid_file and find_classes",
            stacklevel=2,
        )
