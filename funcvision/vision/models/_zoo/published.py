"""The published weights of torchvision: where they are, what they reach, and how images are prepared for them.

`tables/` has a CSV file for each task with the figures of torchvision 0.28
(https://docs.pytorch.org/vision/0.28/models.html), a row for each entry. Columns `metric:NAME`, `preset:NAME`,
`option:NAME` and `clip:NAME` become entries of `Weights.metrics`, `preset_options`, `options` and `clips`; an empty
cell is no entry. The column `categories` names a text file beside the tables.
"""

import ast
import csv
import functools
import hashlib
import importlib.resources
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from ...transforms import presets
from .registry import check_name

__all__ = ["Weights", "find_weights", "identify_weights", "imagenet_classes", "weights"]

_SERVER = "https://download.pytorch.org/models/"
_PIECE = 1 << 22  # bytes of a file that are hashed between two steps of the progress bar
_MIB_ROUNDING = 0.001  # the tables' sizes in MiB have three decimals


@dataclass(frozen=True)
class Weights:
    """One published set of weights.

    Attributes:
        model: the name of the model.
        name: of the weights, such as "IMAGENET1K_V1".
        task: the model's, such as "classification".
        dataset: on which `metrics` were measured.
        url: of the checkpoint.
        sha256: the first digits of the checkpoint's SHA-256 digest.
        mib: size of the checkpoint in MiB.
        parameters: the model's number of parameters.
        gflops: multiply-adds for one prepared image, in units of 10^9.
        metrics: what torchvision measured with `transforms()`, such as top-1 accuracy in percent under "acc1".
        categories: the names of the classes in the order of the logits; None where the classifier is not trained.
        preset: the class in `vision.transforms.presets` that prepares an image.
        preset_options: its arguments.
        min_size: the smallest height and width of an image that the model accepts, in pixels.
        options: of the builder, with which the weights were trained.
        recipe: a page that describes the training.
        license: a page with the terms of use, where the publisher names one. Those of SWAG exclude commercial use.
        default: whether "DEFAULT" stands for these weights.
        clips: of a video classifier, with which clips `metrics` were measured: "frames" of a clip, "frame_rate" in
            frames per second, and clips "per_video".
    """

    model: str
    name: str
    task: str
    dataset: str
    url: str
    sha256: str
    mib: float
    parameters: int
    gflops: float
    metrics: Mapping[str, float]
    categories: tuple[str, ...] | None = field(repr=False)
    preset: str
    preset_options: Mapping[str, Any]
    min_size: int
    options: Mapping[str, Any]
    recipe: str
    license: str | None
    default: bool
    clips: Mapping[str, float] = field(default_factory=dict)

    def transforms(self, **options: Any) -> Any:
        """The preset that prepares an image as when `metrics` were measured; `options` replace `preset_options`."""
        return getattr(presets, self.preset)(**{**self.preset_options, **options})


def weights(model: str) -> dict[str, Weights]:
    """The published weights of a model by name, the oldest first.

    Raises:
        ValueError: no model has this name.

    >>> list(weights("resnet50"))
    ['IMAGENET1K_V1', 'IMAGENET1K_V2']
    >>> weights("resnet50")["IMAGENET1K_V2"].metrics
    {'acc1': 80.858, 'acc5': 95.434}
    """
    check_name(model)
    return dict(_published().get(model, {}))


def find_weights(model: str, name: str) -> Weights | None:
    """The published weights of a model with this name; None if there are none.

    Args:
        model: the name of the model.
        name: of the weights, or "DEFAULT".

    Raises:
        ValueError: no model has this name.
    """
    entries = weights(model)
    return next((one for one in entries.values() if one.name == name or (name == "DEFAULT" and one.default)), None)


def identify_weights(model: str | None, path: str | os.PathLike[str]) -> Weights | None:
    """The published weights of a model that a file holds, by the file's SHA-256 digest; None for any other file.

    The file is read only if its size is that of published weights.

    Args:
        model: the name of the model; None for any model.
        path: of the file as published.
    """
    mib = os.path.getsize(path) / 2**20
    models = _published() if model is None else [model]
    candidates = [one for name in models for one in weights(name).values() if abs(one.mib - mib) < _MIB_ROUNDING]
    if not candidates:
        return None
    digest = _sha256(path)
    return next((one for one in candidates if digest.startswith(one.sha256)), None)


def _sha256(path: str | os.PathLike[str]) -> str:
    digest = hashlib.sha256()
    size, what = os.path.getsize(path), f"checking {os.path.basename(path)}"
    with open(path, "rb") as file, tqdm(
        total=size, unit="B", unit_scale=True, desc=what, disable=None, leave=False, delay=0.5
    ) as bar:
        while piece := file.read(_PIECE):
            digest.update(piece)
            bar.update(len(piece))
    return digest.hexdigest()


def imagenet_classes() -> tuple[str, ...]:
    """The names of the 1,000 classes of ImageNet, in the order of torchvision's logits."""
    return _categories("imagenet")


@functools.cache
def _categories(name: str) -> tuple[str, ...]:
    return tuple((_tables() / f"{name}.txt").read_text(encoding="utf-8").splitlines())


@functools.cache
def _published() -> dict[str, dict[str, Weights]]:
    found: dict[str, dict[str, Weights]] = {}
    for entry in _rows():
        found.setdefault(entry.model, {})[entry.name] = entry
    return found


def _rows() -> Iterator[Weights]:
    tables = sorted((table for table in _tables().iterdir() if table.name.endswith(".csv")), key=lambda one: one.name)
    for table in tables:
        for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
            yield _entry(table.name.removesuffix(".csv"), row)


def _entry(task: str, row: dict[str, str]) -> Weights:
    return Weights(
        model=row["model"], name=row["weights"], task=task, dataset=row["dataset"], url=_SERVER + row["file"],
        sha256=_digest(row["file"]), mib=float(row["mib"]),
        parameters=int(row["parameters"]), gflops=float(row["gflops"]), metrics=_group(row, "metric"),
        categories=_categories(row["categories"]) if row["categories"] else None, preset=row["preset"],
        preset_options=_group(row, "preset"), min_size=int(row["min_size"]), options=_group(row, "option"),
        recipe=row["recipe"], license=row["license"] or None, default=row["default"] == "1",
        clips=_group(row, "clip"),
    )


def _digest(file: str) -> str:
    """The digits of the digest at the end of a file's name, after a hyphen or, in some names, an underscore."""
    return re.split("[-_]", file.removesuffix(".pth"))[-1]


def _group(row: dict[str, str], prefix: str) -> dict[str, Any]:
    """The filled cells of the columns `PREFIX:NAME`, by NAME."""
    start = f"{prefix}:"
    cells = ((column.removeprefix(start), text) for column, text in row.items() if column.startswith(start))
    return {name: _value(text) for name, text in cells if text}


def _value(text: str) -> Any:
    """A number, a truth value or a tuple as Python writes it; anything else is a string."""
    return ast.literal_eval(text) if text[0] in "(-.0123456789" or text in ("True", "False") else text


def _tables() -> Any:
    return importlib.resources.files(__package__ or "") / "tables"
