"""The data sets by name: what there is, and how a split is chosen. The table is `_catalogue.csv`."""

import csv
import dataclasses
import difflib
import functools
import importlib.resources
from collections.abc import Mapping

__all__ = ["TASKS", "DatasetInfo", "describe", "list_datasets"]

TASKS = (
    "classification", "detection", "segmentation", "captioning", "image_pairs", "video", "optical_flow", "stereo",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set. None or an empty string stands for what its publication does not say.

    Attributes:
        name: its name, in lower case.
        class_name: the name of its class in `vision.datasets`.
        task: one of `TASKS`.
        images: the number of images in all splits; for flow and stereo the number of pairs, for videos of clips.
        classes: the number of classes.
        size: the size of what is downloaded for the whole data set or its largest version, such as "170 MB".
        license: the licence, if one was published.
        obtained: "download", "Google Drive" (a download that Google may refuse), "by hand", "own files", "generated".
        argument: the argument of the class that chooses the split; "" if it has none.
        splits: the names that `load` takes as `split`, each with the value that the class gets.
    """

    name: str
    class_name: str
    task: str
    images: int | None
    classes: int | None
    size: str
    license: str
    obtained: str
    argument: str
    splits: Mapping[str, str | bool]

    def split_options(self, split: object) -> dict[str, object]:
        """The option of the class that stands for a split.

        Args:
            split: one of `splits`, or a value of the class's own argument. What is no string, such as a list of LSUN's
                databases or True, is given to the class as it is.

        Raises:
            ValueError: the data set has no such split.
        """
        if not self.argument:
            raise ValueError(f"{self.name} has no splits, and got split={split!r}: leave it out")
        if not isinstance(split, str) or split in {value for value in self.splits.values() if isinstance(value, str)}:
            return {self.argument: split}
        if split not in self.splits:
            raise ValueError(f"split={split!r} is none of {self.name}'s: {', '.join(self.splits)}")
        return {self.argument: self.splits[split]}


def list_datasets(task: str | None = None) -> list[str]:
    """The names of the data sets, sorted.

    Args:
        task: one of "classification", "detection", "segmentation", "captioning", "image_pairs", "video",
            "optical_flow", "stereo"; None for all.

    Raises:
        ValueError: there is no such task.

    >>> from funcvision.vision import datasets
    >>> datasets.list_datasets("detection")
    ['cocodetection', 'kitti', 'vocdetection', 'widerface']
    """
    if task is not None and task not in TASKS:
        raise ValueError(f"task={task!r} is none of {', '.join(TASKS)}")
    return sorted(name for name, info in _catalogue().items() if task in (None, info.task))


def describe(name: str) -> DatasetInfo:
    """What is known of a data set: its task, numbers of images and classes, size, licence, splits.

    Args:
        name: one of `list_datasets()`; capitals are taken as small letters.

    Raises:
        ValueError: there is no data set of that name.

    >>> from funcvision.vision import datasets
    >>> info = datasets.describe("cifar10")
    >>> info.images, info.classes, list(info.splits)
    (60000, 10, ['train', 'test'])
    """
    catalogue = _catalogue()
    if name.lower() not in catalogue:
        near = difflib.get_close_matches(name.lower(), catalogue, 1)
        hint = f"did you mean {near[0]!r}?" if near else "list_datasets() has the names"
        raise ValueError(f"there is no data set {name!r}: {hint}")
    return catalogue[name.lower()]


@functools.cache
def _catalogue() -> dict[str, DatasetInfo]:
    table = importlib.resources.files(__package__ or "").joinpath("_catalogue.csv").read_text(encoding="utf-8")
    return {row["class"].lower(): _info(row) for row in csv.DictReader(table.splitlines())}


def _info(row: dict[str, str]) -> DatasetInfo:
    splits: dict[str, str | bool] = {}
    for entry in row["splits"].split():
        split, _, value = entry.partition("=")
        splits[split] = {"True": True, "False": False}.get(value, value or split)
    return DatasetInfo(
        name=row["class"].lower(), class_name=row["class"], task=row["task"], images=_number(row["images"]),
        classes=_number(row["classes"]), size=row["size"], license=row["license"], obtained=row["obtained"],
        argument=row["argument"], splits=splits,
    )


def _number(cell: str) -> int | None:
    return int(cell) if cell else None
