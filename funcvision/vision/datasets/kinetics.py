"""Kinetics-400, -600 and -700: actions of people in videos of the web (https://github.com/cvdfoundation/kinetics-dataset)."""

import csv
import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from ..archive import extract_archive
from ..download import download_url
from ._action import ActionClips

__all__ = ["Kinetics"]


class Kinetics(ActionClips):
    """Clips of videos of 400, 600 or 700 actions, ten seconds each (Kay et al. 2017, https://arxiv.org/abs/1705.06950).

    `dataset[index]` is a clip, uint8 `[time, height, width, 3]`; its sound, float32 `[samples, channels]`, `[0, 1]` for
    videos without; and the label of the action. Classes are sorted by name. Torchvision has the channels of both before
    the other axes.

    Downloading takes hundreds of gigabytes: the archives to `root/tars`, the videos to `root/<split>/<class>`. It
    continues where it was broken off. A folder of the split that something else made is taken as it is.

    Args:
        root: the folder that holds a folder `<split>/<class>/` of videos for each class.
        frames_per_clip: the number of frames in a clip.
        num_classes: "400", "600" or "700"; decides what is downloaded.
        split: "train", "val" or "test".
        frame_rate: frames in a second, to resample to; None keeps the frames.
        step_between_clips: the number of frames from the start of a clip to the start of the next.
        transform: called on the frames of every clip.
        extensions: the endings of the names of videos.
        download: whether to fetch what is missing.
        num_download_workers: how many archives are fetched at once.
        num_workers: how many threads read the videos at first.
        _legacy: whether `root` itself holds the folders of the classes.
        output_format: "THWC".

    Attributes:
        classes: the names of the actions, in the order of their labels.
        samples: (path, label) of every video.
        video_clips: the clips; see `VideoClips`.
        metadata: what is known of the videos, as `_precomputed_metadata` takes it.

    Raises:
        DownloadError: a file cannot be fetched.
        FileNotFoundError: the folder of the split is missing.
        ValueError: an option is out of range.
    """

    _TAR_URLS: ClassVar = {
        "400": "https://s3.amazonaws.com/kinetics/400/{split}/k400_{split}_path.txt",
        "600": "https://s3.amazonaws.com/kinetics/600/{split}/k600_{split}_path.txt",
        "700": "https://s3.amazonaws.com/kinetics/700_2020/{split}/k700_2020_{split}_path.txt",
    }
    _ANNOTATION_URLS: ClassVar = {
        "400": "https://s3.amazonaws.com/kinetics/400/annotations/{split}.csv",
        "600": "https://s3.amazonaws.com/kinetics/600/annotations/{split}.csv",
        "700": "https://s3.amazonaws.com/kinetics/700_2020/annotations/{split}.csv",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        frames_per_clip: int,
        num_classes: str = "400",
        split: str = "train",
        frame_rate: int | None = None,
        step_between_clips: int = 1,
        transform: Callable[..., Any] | None = None,
        extensions: Sequence[str] = ("avi", "mp4"),
        download: bool = False,
        num_download_workers: int = 1,
        num_workers: int = 1,
        _precomputed_metadata: Mapping[str, Any] | None = None,
        *,
        _legacy: bool = False,
        output_format: str = "THWC",
    ):
        self.num_classes = self._choice("num_classes", num_classes, ("400", "600", "700"))
        self.split = "unknown" if _legacy else self._choice("split", split, ("train", "val", "test"))
        if _legacy and download:
            raise ValueError("_legacy=True excludes download=True: what is downloaded has a folder for each split")
        self.extensions, self.num_download_workers, self._legacy = extensions, num_download_workers, _legacy
        super().__init__(root, transform=transform, download=download)
        if not os.path.isdir(self.split_folder):
            raise FileNotFoundError(
                f"Kinetics needs the folder {self.split_folder}, with a folder of videos for each class; "
                f"pass download=True to fetch it"
            )
        self._list_videos(self.split_folder, extensions)
        self._make_clips(
            frames_per_clip, step_between_clips, frame_rate, _precomputed_metadata, num_workers,
            output_format=output_format,
        )  # fmt: skip

    @property
    def split_folder(self) -> str:
        """The folder of the split."""
        return self.root if self._legacy else os.path.join(self.root, self.split)

    def download(self) -> None:
        """Fetches and unpacks the archives that are missing, and sorts the videos into folders by class."""
        address = self._TAR_URLS[self.num_classes].format(split=self.split)
        listing = os.path.join(self.root, "files", os.path.basename(address))
        record = f"{listing}.unpacked"
        if os.path.isdir(self.split_folder) and not os.path.isfile(record):
            return
        download_url(address, listing)
        with open(listing, encoding="utf-8") as file:
            archives = [urllib.parse.quote(line.strip(), safe="/,:") for line in file if line.strip()]
        done = set()
        if os.path.isfile(record):
            with open(record, encoding="utf-8") as file:
                done = set(file.read().splitlines())
        with open(record, "a", encoding="utf-8") as unpacked, ThreadPoolExecutor(self.num_download_workers) as pool:
            missing = [archive for archive in archives if archive not in done]
            for archive in pool.map(self._fetch, missing):
                unpacked.write(f"{archive}\n")
                unpacked.flush()
        self._sort_into_classes()

    def _fetch(self, address: str) -> str:
        """Fetches and unpacks one archive; returns its address."""
        archive = os.path.join(self.root, "tars", os.path.basename(address))
        download_url(address, archive)
        extract_archive(archive, self.split_folder)
        return address

    def _sort_into_classes(self) -> None:
        """Moves the videos that lie in the folder of the split to the folders that the annotations say."""
        annotations = os.path.join(self.root, "annotations", f"{self.split}.csv")
        download_url(self._ANNOTATION_URLS[self.num_classes].format(split=self.split), annotations)
        with open(annotations, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                try:
                    name = f"{row['youtube_id']}_{int(row['time_start']):06}_{int(row['time_end']):06}.mp4"
                    label = row["label"].translate(str.maketrans(" ", "_", "'()"))
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise ValueError(f"{annotations} is no list of Kinetics: it has the row {row}") from error
                video, folder = os.path.join(self.split_folder, name), os.path.join(self.split_folder, label)
                if os.path.isfile(video):
                    os.makedirs(folder, exist_ok=True)
                    os.replace(video, os.path.join(folder, name))

    def _resources(self) -> Sequence[Any]:
        return []
