"""Cityscapes and KITTI's objects."""

import pathlib

import numpy as np

from .write import as_json, image, png16, text

CITIES = {"zurich": 2, "aachen": 1}
SPLITS = {"gtFine": ("train", "val", "test"), "gtCoarse": ("train", "train_extra", "val")}
KITTI = [
    "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57",
    "Pedestrian 0.20 3 -0.20 1.50 2.25 8.00 5.75 1.89 0.48 1.20 1.84 1.47 8.41 0.01",
    "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10",
]


def make_cityscapes(root: pathlib.Path) -> None:
    for mode, splits in SPLITS.items():
        for split in splits:
            for city, count in CITIES.items():
                for i in range(count):
                    stem = f"{city}_{i:06d}_000019"
                    image(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
                    start = root / mode / split / city / f"{stem}_{mode}"
                    ids = np.array([[7, 7, 26, 26001], [11, 24000, 26001, 26002], [11, 24000, 24000, 33000]], np.uint16)
                    png16(start.with_name(start.name + "_instanceIds.png"), np.roll(ids, i, axis=0))
                    image(start.with_name(start.name + "_labelIds.png"), "L", values=34)
                    image(start.with_name(start.name + "_color.png"), "RGBA")
                    road = {"label": "road", "polygon": [[0, i], [3, 2]]}
                    polygons = {"imgHeight": 6, "imgWidth": 9, "objects": [road]}
                    as_json(start.with_name(start.name + "_polygons.json"), polygons)


def make_kitti(root: pathlib.Path) -> None:
    """Three images for training, the last without objects, and two for testing."""
    for i in (2, 0, 1):
        image(root / "Kitti" / "raw" / "training" / "image_2" / f"{i:06d}.png")
        lines = KITTI[: 3 - i] if i < 2 else []
        text(root / "Kitti" / "raw" / "training" / "label_2" / f"{i:06d}.txt", "".join(line + "\n" for line in lines))
    for i in range(2):
        image(root / "Kitti" / "raw" / "testing" / "image_2" / f"{i:06d}.png")
