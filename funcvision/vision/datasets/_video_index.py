"""When the frames of many videos are shown, remembered between runs.

Finding it means reading every video to its end. The results lie in `$FUNCVISION_HOME/videos`, one file for each folder
of videos, and hold as long as a video has the same size and time of modification.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import warnings
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..._home import home
from ..io._container import VideoSource
from ..io._frame_index import ARRAYS, FrameIndex
from ..io.video import MAX_PIXELS

__all__ = ["index_videos"]

_VERSION = 1  # of the format of the file
_NUMBERS = ("fps", "count", "by_position")
"""The attributes of an index that are numbers, besides its time base."""


@dataclasses.dataclass(frozen=True)
class _Entry:
    """What is known of a video.

    Attributes:
        stamp: its size in bytes and its time of modification in nanoseconds.
        index: its frames; None if it cannot be read.
    """

    stamp: tuple[int, int]
    index: FrameIndex | None


def index_videos(paths: Sequence[str], num_workers: int) -> list[FrameIndex | None]:
    """The frames of every video; None for those that cannot be read, which a warning names.

    Args:
        paths: the videos.
        num_workers: how many threads read them; 0 for this one alone.

    Raises:
        FileNotFoundError: a video is missing.
    """
    if not paths:
        return []
    names = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(name) for name in names])
    file = home() / "videos" / f"{hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]}.npz"
    known = _load(file)
    stamps = {name: _stamp(name) for name in names}
    missing = [name for name in stamps if name not in known or known[name].stamp != stamps[name]]
    if missing:
        from tqdm import tqdm  # imported late, because it is slow to import

        with ThreadPoolExecutor(max(num_workers, 1)) as pool:
            progress = tqdm(pool.map(_read, missing), "indexing videos", len(missing), disable=len(missing) < 100)
            known |= {name: _Entry(stamps[name], index) for name, index in zip(missing, progress)}
        with contextlib.suppress(OSError):  # without a writable home the videos are read every time
            _save(file, known)
    unreadable = [name for name in stamps if known[name].index is None]
    if unreadable:
        warnings.warn(
            f"{len(unreadable)} of {len(stamps)} videos cannot be read and have no clips, such as {unreadable[0]}",
            RuntimeWarning, stacklevel=3,
        )  # fmt: skip
    return [known[name].index for name in names]


def _stamp(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _read(path: str) -> FrameIndex | None:
    try:
        return FrameIndex.of(VideoSource(path), max_pixels=MAX_PIXELS).narrow()
    except ValueError:
        return None  # a warning names it


def _save(file: pathlib.Path, entries: dict[str, _Entry]) -> None:
    """Writes the entries as arrays: those of all videos one after the other, and how long each is."""
    videos = {name: entry.index for name, entry in entries.items() if entry.index is not None}
    indexes = list(videos.values())
    arrays = {
        "version": np.array(_VERSION),
        "names": np.array([*entries], dtype=np.str_),
        "stamps": np.array([entry.stamp for entry in entries.values()], np.int64),
        "readable": np.array([name in videos for name in entries], bool),
        "time_base": np.array([index.time_base for index in indexes], np.int64).reshape(-1, 2),
        "lengths": np.array([[len(getattr(index, name)) for name in ARRAYS] for index in indexes], np.int64),
    }
    arrays |= {name: np.array([getattr(index, name) for index in indexes]) for name in _NUMBERS}
    empty = np.zeros(0, np.int8)
    arrays |= {name: np.concatenate([empty, *(getattr(index, name) for index in indexes)]) for name in ARRAYS}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with open(part, "wb") as target:
        np.savez(target, **arrays)
    os.replace(part, file)


def _load(file: pathlib.Path) -> dict[str, _Entry]:
    """The entries of a file; none if there is no file or it is damaged."""
    with contextlib.suppress(OSError, ValueError, LookupError, zipfile.BadZipFile, EOFError, NotImplementedError):
        with open(file, "rb") as source, np.load(source, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if arrays["version"] != _VERSION:
            return {}
        ends = arrays["lengths"].reshape(-1, len(ARRAYS)).cumsum(axis=0)
        parts = {name: np.split(arrays[name], ends[:-1, i]) for i, name in enumerate(ARRAYS)}
        indexes = iter(
            FrameIndex(
                **{name: parts[name][i] for name in ARRAYS}, time_base=tuple(arrays["time_base"][i].tolist()),
                **{name: arrays[name][i].item() for name in _NUMBERS},
            )
            for i in range(len(ends))
        )  # fmt: skip
        rows = zip(arrays["names"].tolist(), arrays["stamps"].tolist(), arrays["readable"].tolist(), strict=True)
        return {name: _Entry((stamp[0], stamp[1]), next(indexes) if there else None) for name, stamp, there in rows}
    return {}
