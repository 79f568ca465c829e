"""Data sets that are published as files: where the files are found, how they are fetched, unpacked and checked.

A new data set is a table and a parser. The table lists its files:

    class Flowers(PublishedDataset):
        _folder_name = "flowers-102"

        def __init__(self, root, split="train", *, transform=None, target_transform=None, download=False):
            self.split = self._choice("split", split, ("train", "val", "test"))
            super().__init__(root, transform=transform, target_transform=target_transform, download=download)
            self.files = parse(self._path("setid.mat"), self.split)

        def _resources(self):
            return [
                Resource("102flowers.tgz", [f"{PREFIX}102flowers.tgz"], md5="52...", contents={"jpg/": None}),
                Resource("setid.mat", [f"{PREFIX}setid.mat"], md5="a5..."),
            ]

`_resources` may depend on the options of the data set: what another split needs is neither fetched nor asked for.
Options are set before `super().__init__`, which downloads. The parser asks for every file with `_path`, which verifies
its digest, or says what is missing and how to get it.
"""

import dataclasses
import glob
import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from ..archive import Budget, extract_archive, move_into, unpack
from ..download import download_url
from ._verified import check_digest_once
from .dataset import VisionDataset

__all__ = ["PublishedDataset", "Resource", "compressed_files"]


@dataclasses.dataclass(frozen=True)
class Resource:
    """One published file.

    Attributes:
        filename: the path of the file in the folder of the data set.
        urls: the mirrors of the file, in the order in which they are tried. Empty if a program cannot download it: then
            a person puts the file into the folder, and it is unpacked from there. See `google_drive_url` for files in
            Google Drive.
        md5: the MD5 digest of the file.
        sha256: the SHA-256 digest of the file.
        contents: what the file holds, if it is an archive or compressed: paths in the folder of the data set, each with
            its MD5 digest, or None if that is not known or too slow to verify. A path that ends in "/" is a folder.
            None: the data set reads the file as it is.
        into: the folder to unpack into, a path in the folder of the data set.
        inner: a pattern of the members of the archive that are archives or compressed themselves,
            `"caltech-101/*.tar.gz"`. They are unpacked in place of the archive.
    """

    filename: str
    urls: Sequence[str] = ()
    md5: str | None = None
    sha256: str | None = None
    contents: Mapping[str, str | None] | None = None
    into: str = ""
    inner: str | None = None

    def provides(self, name: str) -> bool:
        """Whether a path in the folder of the data set comes from this file."""
        if self.contents is None:
            return name == self.filename
        return any(name == path or (path.endswith("/") and name.startswith(path)) for path in self.contents)

    def digests(self, name: str) -> dict[str, str | None]:
        """The digests of a path that this file provides, as `check_digest_once` takes them."""
        if self.contents is None:
            return {"md5": self.md5, "sha256": self.sha256}
        return {"md5": self.contents.get(name)}


class PublishedDataset(VisionDataset):
    """A data set that is read from published files; the base class of those that are downloaded or put in place.

    A subclass defines `_resources`, and `__len__` and `read` as every `VisionDataset`.

    Args:
        root: the folder for data sets; a leading `~` is the home folder.
        transforms: called on every pair of image and target; excludes the other two.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch and unpack what is missing or damaged.

    Attributes:
        classes: the names of the classes, in the order of their labels, if the data set has classes.
        class_to_idx: the label of each name.
        train: whether this is the part for training; None if the data set has other splits than two.

    Raises:
        DownloadError: no mirror sent a file.
        ValueError: a file has another digest, or an archive is damaged; the message names it.
    """

    _folder_name: ClassVar[str] = ""
    """The folder of the data set in `root`; by default its files lie directly in `root`."""
    _homepage: ClassVar[str] = ""
    """Where a person gets the files that a program cannot download."""
    _endings: ClassVar[Sequence[str]] = ("",)
    """What may follow the name of a file. A parser that reads compressed files adds ".gz" and so on."""

    classes: list[str]
    train: bool | None = None

    def __init__(
        self,
        root: str | os.PathLike[str],
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        *,
        download: bool = False,
    ):
        # Not super(): a subclass may derive from ImageFolder too, and then calls its __init__ when the files are there.
        VisionDataset.__init__(self, root, transforms, transform, target_transform)
        if download:
            self.download()
        self._unpack_what_was_put_in_place()

    @property
    def folder(self) -> str:
        """The folder of the data set: files are downloaded to it and looked for in it."""
        return os.path.join(self.root, self._folder_name) if self._folder_name else self.root

    @cached_property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class name."""
        return {name: label for label, name in enumerate(self.classes)}

    def download(self) -> None:
        """Fetches and unpacks what is missing or has another digest. Files without an address are left out."""
        for resource in self._resources():
            if resource.urls and not self._has(resource):
                file = os.path.join(self.folder, resource.filename)
                download_url(resource.urls, file, md5=resource.md5, sha256=resource.sha256)
                self._unpack(resource, file)

    def extra_repr(self) -> str:
        """The split, if it is one of two."""
        return "" if self.train is None else f"Split: {'Train' if self.train else 'Test'}"

    def _resources(self) -> Sequence[Resource]:
        """The published files that this data set, with its options, is read from."""
        raise NotImplementedError(f"{type(self).__name__} does not say which files it needs: define _resources")

    def _folders(self) -> Sequence[str]:
        """The folders in which a file is looked for, in order."""
        return [self.folder]

    def _find(self, name: str) -> str | None:
        """The path of a file, or of a folder if the name ends in "/"; None if it is not there."""
        there = os.path.isdir if name.endswith("/") else os.path.isfile
        paths = (os.path.join(folder, name + ending) for folder in self._folders() for ending in self._endings)
        return next(filter(there, paths), None)

    def _path(self, name: str) -> str:
        """The path of a file, whose digest is verified if it is known, or of a folder if the name ends in "/".

        Raises:
            FileNotFoundError: it is not there; the message says how to get it.
            ValueError: it has another digest.
        """
        resource = next((one for one in self._resources() if one.provides(name)), None)
        path = self._find(name)
        if path is None:
            raise FileNotFoundError(self._what_is_missing(name, resource))
        if resource is not None and not name.endswith("/"):
            check_digest_once(path, **resource.digests(name))
        return path

    def _what_is_missing(self, name: str, resource: Resource | None) -> str:
        """The message of an error: what is missing, where it was looked for, and how to get it."""
        kind = "folder" if name.endswith("/") else "file"
        *others, last = [ending or "plain" for ending in self._endings]
        forms = f" ({', '.join(others)} or {last})" if others else ""
        message = f"{type(self).__name__} needs the {kind} {name}{forms} in {' or '.join(self._folders())}; "
        if resource is not None and resource.urls:
            return message + "pass download=True to fetch it"
        source = f" from {self._homepage}" if self._homepage else ""
        file = resource.filename if resource is not None else name
        return message + f"it cannot be downloaded: get {file}{source} and put it there"

    def _has(self, resource: Resource) -> bool:
        """Whether everything that is needed of a published file is there, with the right digests."""
        names = [resource.filename] if resource.contents is None else resource.contents
        paths = {name: self._find(name) for name in names}
        try:
            for name, path in paths.items():
                if path is not None and not name.endswith("/"):
                    check_digest_once(path, **resource.digests(name))
        except ValueError:
            return False
        return None not in paths.values()

    def _unpack_what_was_put_in_place(self) -> None:
        """Unpacks the files that a person put into the folder, because a program cannot download them."""
        for resource in self._resources():
            file = os.path.join(self.folder, resource.filename)
            packed = resource.contents is not None and not resource.urls and os.path.isfile(file)
            if packed and not self._has(resource):
                check_digest_once(file, md5=resource.md5, sha256=resource.sha256)
                self._unpack(resource, file)

    def _unpack(self, resource: Resource, file: str) -> None:
        """Unpacks a published file, unless it is read as it is. Override it for what an archive cannot say."""
        target = os.path.join(self.folder, resource.into)
        if resource.contents is None:
            return
        if resource.inner is None:
            return unpack(file, target)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".unpack-") as temporary:
            packed, whole, budget = os.path.join(temporary, "packed"), os.path.join(temporary, "whole"), Budget(file)
            extract_archive(file, packed, budget=budget)
            os.makedirs(whole, exist_ok=True)
            for member in sorted(glob.glob(resource.inner, root_dir=packed)):
                unpack(os.path.join(packed, member), whole, budget=budget)
            os.makedirs(target, exist_ok=True)
            move_into(whole, target)

    def _unpack_renamed(self, file: str, packed: str, name: str) -> None:
        """Unpacks an archive of one folder and gives that folder another name, under which it appears when it is whole.

        Args:
            file: the archive.
            packed: the name of the folder in the archive.
            name: its new name in the folder of the data set. What was there is kept, except files of the same name.
        """
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".unpack-") as temporary:
            extract_archive(file, temporary)
            source, target = os.path.join(temporary, packed), os.path.join(self.folder, name)
            if not os.path.isdir(source):
                raise ValueError(f"{file} holds no folder {packed}: nothing was unpacked")
            os.makedirs(target, exist_ok=True)
            move_into(source, target)

    def _choice(self, option: str, value: str, choices: Collection[str]) -> str:
        """An option's value; ValueError unless it is one of the choices."""
        if value not in choices:
            raise ValueError(f"{option}={value!r} is none of {type(self).__name__}'s: {', '.join(choices)}")
        return value


def compressed_files(mirrors: Sequence[str], files: Sequence[tuple[str, str]]) -> list[Resource]:
    """Compressed files, each given by its name and its MD5 digest, that every mirror has."""
    return [
        Resource(name, [mirror + name for mirror in mirrors], md5=md5, contents={os.path.splitext(name)[0]: None})
        for name, md5 in files
    ]
