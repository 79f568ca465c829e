"""Data sets in the formats of Hugging Face: folders of Parquet or Arrow files (https://huggingface.co/docs/datasets)."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..io import ImageReadMode, decode_image, read_file
from ..tv_tensors import Image
from ._formats import ArrowRows, read_json
from ._huggingface_folder import find_folder, find_parts
from .dataset import call_transform, takes_key

__all__ = ["HuggingFaceDataset", "from_huggingface"]

_ARRAYS = ("Array2D", "Array3D", "Array4D", "Array5D")
_LISTS = ("Sequence", "List", "LargeList")


class HuggingFaceDataset:
    """Rows of Parquet or Arrow files as dicts; `from_huggingface` finds the files.

    `dataset[index]` is a dict with an entry for each column. An image becomes a leaf `tv_tensors.Image`, a class its
    number, a list of numbers a numpy array, and everything else a number, a string, bytes, a list or a dict.

    Args:
        paths: the files.
        features: what the columns hold, in Hugging Face's form: `{"label": {"_type": "ClassLabel", "names": [...]}}`.
            None: what the files say.
        columns: the columns to read; None reads all.
        transform: called on every sample.
        mode: the channels of the images; see `vision.io.decode_image`.

    Attributes:
        features: what the columns hold.
        columns: the columns that are read.
        categories: the names of the classes of the only column of classes; None if there is none, or several.

    Raises:
        ImportError: pyarrow is not installed.
        ValueError: a file is damaged, or has no such column; the message names it. Or `mode` is not valid.
    """

    def __init__(
        self,
        paths: Sequence[str],
        features: Mapping[str, Any] | None = None,
        *,
        columns: Sequence[str] | None = None,
        transform: Callable[..., Any] | None = None,
        mode: ImageReadMode | str = "RGB",
    ):
        self._rows = ArrowRows(paths)
        self.features = dict(_features_of(self._rows) or features or {})
        self.columns = list(self._rows.names if columns is None else columns)
        if unknown := [name for name in self.columns if name not in self._rows.names]:
            raise ValueError(f"{paths[0]} has no column {unknown[0]!r}, only {', '.join(self._rows.names)}")
        self.transform, self.mode = transform, mode
        named = [self.names(name) for name in self.columns if self._is_class(name)]
        self.categories = named[0] if len(named) == 1 else None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Any:
        return self._transformed(self.read(index))

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {len(self)} rows of {', '.join(self.columns)}"

    def read(self, index: int) -> dict[str, Any]:
        """The sample before the transform."""
        index = range(len(self))[index]  # counts negative numbers from the end, and raises IndexError outside
        row, path = self._rows.row(index, self.columns), self._rows.path_of(index)
        return {name: self._decoded(value, self.features.get(name), path, index) for name, value in row.items()}

    def names(self, column: str) -> list[str]:
        """The names of the classes in a column, in the order of their numbers.

        Raises:
            ValueError: the column does not hold classes.
        """
        if not self._is_class(column):
            raise ValueError(f"the column {column!r} does not hold classes with names")
        return list(self.features[column]["names"])

    @property
    def load_sample(self) -> Callable[..., Any]:
        """A function `(index, *, key)` that gives a sample and draws what is random in the transform from `key`.

        Raises:
            AttributeError: the transform takes no key.
        """
        if not takes_key(self.transform):
            raise AttributeError(f"this {type(self).__name__} has no use for keys")
        return lambda index, *, key: self._transformed(self.read(index), key=key)

    def _transformed(self, sample: dict[str, Any], *, key: Any = None) -> Any:
        return sample if self.transform is None else call_transform(self.transform, sample, key=key)

    def _is_class(self, column: str) -> bool:
        feature = self.features.get(column)
        return isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and bool(feature.get("names"))

    def _decoded(self, value: Any, feature: Any, path: str, index: int) -> Any:
        """A value as its feature describes it."""
        if isinstance(feature, list) and len(feature) == 1:  # how older files describe a list
            feature = {"_type": "List", "feature": feature[0]}
        if value is None or not isinstance(feature, dict) or isinstance(value, np.ndarray):
            return value
        kind, inner = feature.get("_type"), feature.get("feature")
        if kind == "Image" and feature.get("decode", True):
            return self._image(value, path, index)
        if kind in _ARRAYS:
            try:
                return np.array(value, feature.get("dtype"))
            except (TypeError, ValueError) as error:
                raise ValueError(f"row {index}, in {path}, holds no {kind}: {error}") from error
        if kind in _LISTS and isinstance(value, list):
            return [self._decoded(one, inner, path, index) for one in value]
        if isinstance(value, dict):
            columns = feature
            if kind == "Sequence" and isinstance(inner, dict):  # a sequence of dicts is stored as a dict of lists
                columns = {name: [one] for name, one in inner.items()}
            return {name: self._decoded(one, columns.get(name), path, index) for name, one in value.items()}
        return value

    def _image(self, value: Any, path: str, index: int) -> Image:
        """The image in a value `{"bytes": ..., "path": ...}`, or in the bytes themselves."""
        content = value.get("bytes") if isinstance(value, dict) else value
        if content is None:
            content = read_file(_beside(path, value.get("path"), index))
        try:
            return Image(decode_image(content, self.mode))
        except ValueError as error:
            raise ValueError(f"row {index}, in {path}, holds an image that cannot be read: {error}") from error


def from_huggingface(
    name_or_path: str | os.PathLike[str],
    split: str | None = None,
    *,
    config: str | None = None,
    columns: Sequence[str] | None = None,
    transform: Callable[..., Any] | None = None,
    mode: ImageReadMode | str = "RGB",
) -> HuggingFaceDataset:
    """A data set of Hugging Face that is on this machine, as a folder of Parquet or Arrow files.

    Nothing is downloaded, and no code of the data set is run. What columns hold, such as images and the names of
    classes, is read from the files themselves, or from `dataset_info.json` and `dataset_infos.json` beside them.

    Args:
        name_or_path: a folder: a repository, what `save_to_disk` wrote, or a folder of Parquet files. Or a name such as
            `"ylecun/mnist"`, which is looked up in the local cache of Hugging Face (`HF_HOME`, `HF_HUB_CACHE`,
            `HF_DATASETS_CACHE`).
        split: such as "train"; it may be left out if there is only one.
        config: the configuration; it may be left out if there is only one, or one called "default".
        columns: the columns to read; None reads all.
        transform: called on every sample, a dict.
        mode: the channels of the images; see `vision.io.decode_image`.

    Raises:
        FileNotFoundError: there is no such folder, and no such name in the cache; the message says how to get it.
        ImportError: pyarrow is not installed.
        ValueError: there is no such split, configuration or column, or one must be chosen; the message lists them. Or a
            file is damaged; the message names it.
    """
    folder = find_folder(name_or_path)
    configs = find_parts(folder)
    name = _chosen("config", config, configs, folder, "default")
    part = configs[name][_chosen("split", split, configs[name], folder, None)]
    features = part.info.get("features") or _listed_features(folder, name)
    return HuggingFaceDataset(part.paths, features, columns=columns, transform=transform, mode=mode)


def _chosen(option: str, value: str | None, choices: Mapping[str, Any], folder: str, default: str | None) -> str:
    """The value of an option, or the only choice; ValueError if it is none of the choices, or one must be chosen."""
    if value is None:
        value = next(iter(choices)) if len(choices) == 1 else default
    if value is None or value not in choices:
        given = f"{option}={value!r} is not in" if value is not None else f"choose a {option} of"
        raise ValueError(f"{given} {folder}; there are {', '.join(sorted(choices))}")
    return value


def _features_of(rows: ArrowRows) -> dict[str, Any] | None:
    """What the files say of their columns; None if they say nothing."""
    try:
        content = json.loads(rows.metadata.get(b"huggingface", b"{}"))
        features = content.get("info", {}).get("features")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{rows.paths[0]} describes its features in no JSON object: {error}") from error
    return features if isinstance(features, dict) else None


def _listed_features(folder: str, config: str) -> dict[str, Any] | None:
    """The features of a configuration in `dataset_infos.json`, which older repositories have."""
    path = os.path.join(folder, "dataset_infos.json")
    infos = read_json(path) if os.path.isfile(path) else {}
    info = infos.get(config) if isinstance(infos, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    return features if isinstance(features, dict) else None


def _beside(path: str, name: Any, index: int) -> str:
    """The path of an image that is a file of its own; ValueError unless it is below the folder of the table."""
    folder = os.path.dirname(os.path.abspath(path))
    target = os.path.normpath(os.path.join(folder, name)) if isinstance(name, str) else ""
    if not target.startswith(os.path.join(folder, "")):
        raise ValueError(f"row {index} of {path} holds no image, and {name!r} is no file beside the table")
    return target
