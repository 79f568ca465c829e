"""torchvision's published weights: where they are, what they reach, and how images are prepared for them.

The figures are those of torchvision 0.28 (https://docs.pytorch.org/vision/0.28/models.html); `tables/` holds them.
"""

import ast
import csv
import functools
import importlib.resources
from dataclasses import dataclass
from typing import Any

from ...transforms.presets import IMAGENET_MEAN, IMAGENET_STD, ImageClassification
from .registry import check_name

__all__ = ["Weights", "find_weights", "imagenet_classes", "weights"]

_SERVER = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Weights:
    """One published set of weights.

    Attributes:
        model: the builder's name.
        name: such as "IMAGENET1K_V1".
        url: of the checkpoint.
        sha256: the first digits of its digest.
        mib: its size in MiB.
        parameters: their number in the model.
        gflops: multiply-adds for one image of `crop_size`, in thousands of millions.
        acc1: how often the first guess is right on ImageNet's validation images, in percent, with `transforms()`;
            None where torchvision reports nothing.
        acc5: how often one of the first five is.
        crop_size: side of the square that the model sees, in pixels.
        resize_size: of the shorter side of an image before that.
        interpolation: of the resizing.
        mean: of each channel, subtracted.
        std: of each channel, divided by.
        min_size: the smallest side of an image that the model takes.
        options: of the builder, which the weights were trained with.
        recipe: where the training is described.
        license: where terms of use are, if the publisher names any: those of SWAG exclude commercial use.
        default: whether "DEFAULT" means these.
    """

    model: str
    name: str
    url: str
    sha256: str
    mib: float
    parameters: int
    gflops: float
    acc1: float | None
    acc5: float | None
    crop_size: int
    resize_size: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    min_size: int
    options: dict[str, Any]
    recipe: str
    license: str | None
    default: bool

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, in the order of the logits; None for weights whose classifier is of no use."""
        return None if self.acc1 is None else imagenet_classes()

    def transforms(self) -> ImageClassification:
        """What prepares an image for the model, as it was done when `acc1` was measured."""
        return ImageClassification(**self.preparation)

    @property
    def preparation(self) -> dict[str, Any]:
        """The arguments of `transforms.presets.ImageClassification`."""
        return {
            "crop_size": self.crop_size, "resize_size": self.resize_size, "mean": self.mean, "std": self.std,
            "interpolation": self.interpolation,
        }


def weights(model: str) -> dict[str, Weights]:
    """The published weights of a model by their names, the oldest first.

    Raises:
        ValueError: no model has this name.

    >>> list(weights("resnet50"))
    ['IMAGENET1K_V1', 'IMAGENET1K_V2']
    >>> weights("resnet50")["IMAGENET1K_V2"].acc1
    80.858
    """
    check_name(model)
    return dict(_published().get(model, {}))


def find_weights(model: str, name: str) -> Weights | None:
    """The published weights of a model that have this name, or are "DEFAULT"; None if there are none.

    Raises:
        ValueError: no model has this name.
    """
    entries = weights(model)
    return next((one for one in entries.values() if one.name == name or (name == "DEFAULT" and one.default)), None)


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in the order of torchvision's logits."""
    return tuple(_text("imagenet_classes.txt").splitlines())


@functools.cache
def _published() -> dict[str, dict[str, Weights]]:
    found: dict[str, dict[str, Weights]] = {}
    for row in csv.DictReader(_text("classification.csv").splitlines()):
        entry = _entry(row)
        found.setdefault(entry.model, {})[entry.name] = entry
    return found


def _entry(row: dict[str, str]) -> Weights:
    options = (option.split("=") for option in row["options"].split(";") if option)
    return Weights(
        model=row["model"], name=row["weights"], url=_SERVER + row["file"],
        sha256=row["file"].removesuffix(".pth").rpartition("-")[2],
        mib=float(row["mib"]), parameters=int(row["parameters"]), gflops=float(row["gflops"]),
        acc1=float(row["acc1"]) if row["acc1"] else None, acc5=float(row["acc5"]) if row["acc5"] else None,
        crop_size=int(row["crop"]), resize_size=int(row["resize"]), interpolation=row["interpolation"],
        mean=_numbers(row["mean"]) or IMAGENET_MEAN, std=_numbers(row["std"]) or IMAGENET_STD,
        min_size=int(row["min_size"]), options={name: ast.literal_eval(value) for name, value in options},
        recipe=row["recipe"], license=row["license"] or None, default=row["default"] == "1",
    )


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split()))


def _text(name: str) -> str:
    return importlib.resources.files(__package__ or "").joinpath("tables", name).read_text()
