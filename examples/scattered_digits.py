"""Canvases with handwritten digits of scikit-learn at random places: data for detection and segmentation.

Everything is drawn by code, and nothing is downloaded.

    python examples/scattered_digits.py         # draws some canvases with their boxes and masks: out/scattered.png
"""

import pathlib
from typing import Any

import numpy as np
import PIL.Image

from funcvision.vision import draw
from funcvision.vision.tv_tensors import BoundingBoxes, Image, Mask

CLASSES = ["background", *(str(digit) for digit in range(10))]
INK = 96  # of 255: a pixel of a digit belongs to its mask from this value on
CLOSEST = 0.1  # of the area of the smaller box: no two digits share more
ATTEMPTS = 20  # places that are tried for a digit before it is left out


class ScatteredDigits:
    """Samples `{"image", "boxes", "labels", "masks"}`, of which number i is always the same.

    Args:
        train: which of two sets. The last fifth of scikit-learn's digits is for testing, and no digit is in both.
        length: number of canvases.
        size: height and width of a canvas in pixels.
        most: the largest number of digits on a canvas.
        sides: the smallest and the largest height of a digit in pixels.
        light: whether all digits are light on a dark background; otherwise they are lighter or darker than it.
    """

    def __init__(
        self, train: bool, length: int, *, size: int = 128, most: int = 6, sides: tuple[int, int] = (20, 48),
        light: bool = False,
    ):
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        images = (images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        start = len(labels) * 4 // 5
        part = slice(None, start) if train else slice(start, None)
        self.digits, self.digit_labels = images[part], labels[part]
        self.train, self.length, self.size, self.most, self.sides = train, length, size, most, sides
        self.light = light

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.length:
            raise IndexError(index)
        random = np.random.default_rng([self.train, index])
        canvas = texture(random, self.size, (20, 100) if self.light else (60, 195))
        boxes, labels, masks = [], [], []
        for _ in range(random.integers(1, self.most + 1)):
            number = random.integers(len(self.digits))
            ink = stretched(self.digits[number], random, self.sides)
            place = free_place(random, ink >= INK, boxes, self.size)
            if place is None:
                continue
            top, left = place
            window = np.s_[top : top + ink.shape[0], left : left + ink.shape[1]]
            share = ink[..., None] / np.float32(255)
            color = random.uniform(160, 255, 3) if self.light else contrasting(random, canvas[window])
            canvas[window] = canvas[window] * (1 - share) + color.astype(np.float32) * share
            mask = np.zeros((self.size, self.size), np.uint8)
            mask[window] = ink >= INK
            boxes.append(corners(mask))
            labels.append(self.digit_labels[number] + 1)
            masks.append(mask)
        size = self.size, self.size
        return {
            "image": Image(canvas.clip(0, 255).astype(np.uint8)),
            "boxes": BoundingBoxes(np.asarray(boxes, np.float32).reshape(-1, 4), canvas_size=size),
            "labels": np.asarray(labels, np.int64),
            "masks": Mask(np.asarray(masks, np.uint8).reshape(-1, *size)),
        }


def texture(random: np.random.Generator, size: int, levels: tuple[int, int]) -> np.ndarray:
    """A background: blurred noise of two scales in a random colour between two levels, float32 [size, size, 3]."""
    layers = np.zeros((size, size, 3), np.float32)
    for cells, strength in ((6, 30), (size // 4, 12)):
        noise = random.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        for channel in range(3):
            grown = PIL.Image.fromarray(noise[..., channel]).resize((size, size), PIL.Image.Resampling.BICUBIC)
            layers[..., channel] += np.asarray(grown)
    return layers + random.uniform(*levels, 3).astype(np.float32)


def stretched(digit: np.ndarray, random: np.random.Generator, sides: tuple[int, int]) -> np.ndarray:
    """A digit in a random size, a little narrower or wider, uint8 [height, width]."""
    height = random.integers(sides[0], sides[1] + 1)
    width = int(height * random.uniform(0.7, 1.1))
    return np.asarray(PIL.Image.fromarray(digit).resize((width, height), PIL.Image.Resampling.BICUBIC))


def contrasting(random: np.random.Generator, below: np.ndarray) -> np.ndarray:
    """A random colour that can be seen on what is below."""
    mean = below.mean((0, 1))
    change = random.uniform(80, 140, 3) * (1 if mean.mean() < 128 else -1)
    return (mean + change).clip(0, 255)


def free_place(random: np.random.Generator, mask: np.ndarray, boxes: list[Any], size: int) -> tuple[int, int] | None:
    """The upper left corner (top, left) of a window in which a digit hides no other one; None if none is found."""
    own = np.asarray(corners(mask))
    height, width = mask.shape
    for _ in range(ATTEMPTS):
        top, left = random.integers(size - height + 1), random.integers(size - width + 1)
        moved = own + np.asarray((left, top, left, top))
        if all(shared(moved, np.asarray(box)) <= CLOSEST for box in boxes):
            return int(top), int(left)
    return None


def corners(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) around a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def shared(one: np.ndarray, other: np.ndarray) -> float:
    """The area that two boxes share, as a part of the smaller one."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    areas = [np.prod(box[2:] - box[:2]) for box in (one, other)]
    return float(np.prod(sides.clip(0)) / min(areas))


def main() -> None:
    data = ScatteredDigits(train=True, length=12)
    path = pathlib.Path("out/scattered.png")
    path.parent.mkdir(exist_ok=True)
    pictures = [draw.sample(sample, classes=CLASSES) for sample in map(data.__getitem__, range(len(data)))]
    draw.save_image(np.stack(pictures), path, nrow=6)
    print(f"see {path}")


if __name__ == "__main__":
    main()
