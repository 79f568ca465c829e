"""Small trees of videos in the layouts of HMDB51, UCF101 and Kinetics."""

import functools
import pathlib

import numpy as np

from tests.vision.io.video_files import numbered_frames, video_bytes

HMDB51_LISTS = {"brush_hair": "a.avi 1\nb.avi 2\nc.avi 0\n", "wave": "d.avi 2 \ne.avi 1\n"}
UCF101_LISTS = {
    "trainlist01.txt": "Archery/v_Archery_g08_c01.avi 1\nYoYo/v_YoYo_g08_c01.avi 2\n",
    "testlist01.txt": "Archery/v_Archery_g01_c01.avi\nYoYo/v_YoYo_g01_c02.avi\n",
    "trainlist02.txt": "YoYo/v_YoYo_g01_c02.avi 2\nYoYo/nowhere.avi 2\n",
    "testlist02.txt": "Archery/v_Archery_g08_c01.avi\n",
}
KINETICS = {
    "riding a bike": ["AAAAAAAAAAA_000001_000011.mp4", "CCCCCCCCCCC_000004_000014.mp4"],
    "abseiling (roped)": ["BBBBBBBBBBB_000020_000030.mp4"],
}
"""The labels of videos in the annotations of Kinetics."""


@functools.lru_cache(maxsize=64)
def video(first: int, count: int = 12, kind: str = "mpeg4.avi", *, sound: bool = False) -> bytes:
    """A video whose frames are numbered from `first`."""
    samples = np.full((count * 320, 1), 0.25, np.float32) if sound else None
    return video_bytes(kind, frames=numbered_frames(64)[first : first + count], sound=samples)


def write_hmdb51(root: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The folder of the videos and that of the lists; video k is numbered from 10 k."""
    videos, lists = root / "videos", root / "splits"
    lists.mkdir()
    for k, name in enumerate(["brush_hair/a.avi", "brush_hair/b.avi", "brush_hair/c.avi", "wave/d.avi", "wave/e.avi"]):
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (videos / name).write_bytes(video(10 * k))
    for label, text in HMDB51_LISTS.items():
        (lists / f"{label}_test_split1.txt").write_text(text, encoding="utf-8")
        swapped = text.translate(str.maketrans("12", "21"))
        (lists / f"{label}_test_split2.txt").write_text(swapped, encoding="utf-8")
    return videos, lists


def write_ucf101(root: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The folder of the videos and that of the lists; video k is numbered from 10 k."""
    videos, lists = root / "UCF-101", root / "ucfTrainTestlist"
    lists.mkdir()
    names = [
        "Archery/v_Archery_g01_c01.avi", "Archery/v_Archery_g08_c01.avi", "YoYo/v_YoYo_g01_c02.avi",
        "YoYo/v_YoYo_g08_c01.avi",
    ]  # fmt: skip
    for k, name in enumerate(names):
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (videos / name).write_bytes(video(10 * k))
    for name, text in UCF101_LISTS.items():
        (lists / name).write_text(text, encoding="utf-8")
    return videos, lists


def write_kinetics(root: pathlib.Path) -> pathlib.Path:
    """A folder with the split "val", whose videos have sound."""
    for k, (label, names) in enumerate(KINETICS.items()):
        folder = root / "val" / label.translate(str.maketrans(" ", "_", "'()"))
        folder.mkdir(parents=True)
        for i, name in enumerate(names):
            (folder / name).write_bytes(video(20 * k + 10 * i, kind="h264.mkv", sound=True))
    return root
