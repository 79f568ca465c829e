"""The models by name and by task, and the model that a checkpoint belongs to."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import numpy as np

from .... import nn
from ..._names import possible_names
from .backbones import Backbone

__all__ = [
    "TASKS", "adapt_tensors", "backbone_of", "check_name", "get_model", "list_models", "read_options", "recognise",
    "register", "task_of",
]

TASKS = ("classification", "detection", "segmentation", "video", "optical_flow", "quantization")

Builder = Callable[..., nn.Module]
Shapes = Mapping[str, tuple[int, ...]]
Tensors = dict[str, np.ndarray]
B = TypeVar("B", bound=Builder)

_PROBES = {"num_classes": (7, 11), "in_channels": (1, 2)}
"""For each option that probing can find: two values of it. A model is built with either, and the shapes compared."""


@dataclass(frozen=True)
class _Entry:
    """A registered model; see `register` for the fields."""

    builder: Builder
    task: str
    read_options: Callable[[Shapes], dict[str, Any]]
    probed: tuple[str, ...]
    adapt_tensors: Callable[[Any, Tensors], Tensors]
    backbone: Backbone | None


_entries: dict[str, _Entry] = {}


@overload
def register(builder: B) -> B: ...
@overload
def register(
    *, task: str = "classification", name: str | None = ..., read_options: Callable[[Shapes], dict[str, Any]] = ...,
    probed: tuple[str, ...] = ..., adapt_tensors: Callable[[Any, Tensors], Tensors] = ...,
    backbone: Backbone | None = ...,
) -> Callable[[B], B]: ...


def register(
    builder: Any = None, *, task: str = "classification", name: str | None = None,
    read_options: Callable[[Shapes], dict[str, Any]] = lambda shapes: {},
    probed: tuple[str, ...] = ("num_classes", "in_channels"),
    adapt_tensors: Callable[[Any, Tensors], Tensors] = lambda model, tensors: tensors,
    backbone: Backbone | None = None,
) -> Any:
    """Decorator: adds a builder to the models.

    Args:
        builder: a function that returns a description. All of its arguments have defaults.
        task: one of `TASKS`.
        name: of the model; by default that of the function.
        read_options: returns options of the builder that the shapes in a checkpoint imply, such as whether there is
            an auxiliary head. It is given the shape of each tensor by name, possibly those of another model's
            checkpoint; options that it cannot read it leaves out.
        probed: options among "num_classes" and "in_channels" that are found by probing: the model is built with two
            values, and the axis whose size equals the value in both is looked up in the checkpoint. A builder that
            lacks one of these options, or whose shapes are multiples of it, leaves it out here; `read_options` may
            then return it.
        adapt_tensors: called with the description and the tensors of a checkpoint before they are compared. Returns
            the tensors, those changed that the family can fit to the description, such as resized embeddings.
        backbone: the classifier that the model is built on.

    Raises:
        ValueError: `task` or `probed` is unknown.
    """
    _check_task(task)
    if unknown := set(probed) - _PROBES.keys():
        raise ValueError(f"probed={probed} names {', '.join(sorted(unknown))}; it can name {', '.join(_PROBES)}")

    def add(builder: B) -> B:
        _entries[name or builder.__name__] = _Entry(builder, task, read_options, probed, adapt_tensors, backbone)
        return builder

    return add if builder is None else add(builder)


def list_models(task: str | None = None) -> list[str]:
    """The names that `get_model` knows, sorted.

    Args:
        task: list the models of this task only: "classification", "detection", "segmentation", "video",
            "optical_flow" or "quantization".

    Raises:
        ValueError: `task` is none of these.

    >>> "resnet50" in list_models("classification"), "resnet50" in list_models("detection")
    (True, False)
    """
    if task is not None:
        _check_task(task)
    return sorted(name for name, entry in _entries.items() if task in (None, entry.task))


def get_model(name: str, **options: Any) -> nn.Module:
    """The description of a model.

    Args:
        name: one of `list_models()`.
        options: of the model's builder, such as `num_classes` and `in_channels`.

    Raises:
        ValueError: no model has this name.
    """
    check_name(name)
    return _entries[name].builder(**options)


def task_of(name: str) -> str:
    """The task that a model is registered for."""
    check_name(name)
    return _entries[name].task


def adapt_tensors(name: str, model: nn.Module, tensors: Tensors) -> Tensors:
    """The tensors of a checkpoint as the family of a model fits them to a description of it; see `register`."""
    check_name(name)
    return _entries[name].adapt_tensors(model, tensors)


def backbone_of(name: str) -> Backbone:
    """The classifier that a model is built on; ValueError if it is built on none."""
    check_name(name)
    if (backbone := _entries[name].backbone) is None:
        raise ValueError(f"{name} is not built on a classifier")
    return backbone


def check_name(name: str) -> None:
    """Raises ValueError, with similar names, unless a model has this name."""
    if name not in _entries:
        close = ", ".join(difflib.get_close_matches(name, _entries, n=3))
        raise ValueError(f"no model is named {name!r}; " + (f"close to it: {close}" if close else "see list_models()"))


def _check_task(task: str) -> None:
    if task not in TASKS:
        raise ValueError(f"task={task!r} is unknown; tasks are {', '.join(TASKS)}")


def read_options(name: str, shapes: Shapes) -> dict[str, Any]:
    """The options with which the model of a checkpoint was built, as far as the shapes of its tensors imply them.

    Args:
        name: of the model.
        shapes: of every tensor, by torch's names and in torch's axis order.

    Raises:
        ValueError: no model has this name.

    >>> read_options("resnet18", {"fc.weight": (10, 512), "conv1.weight": (64, 3, 7, 7)})
    {'in_channels': 3, 'num_classes': 10}
    """
    check_name(name)
    entry = _entries[name]
    options = entry.read_options(shapes)
    probes = {option: _PROBES[option] for option in entry.probed if option not in options}
    if not probes:
        return options
    first, second = (
        entry.builder(**options, **{option: values[i] for option, values in probes.items()}).declarations()
        for i in range(2)
    )
    for key, declaration in first.items():
        shape, other = shapes.get(key, ()), second[key].shape
        if len(shape) != len(declaration.shape):
            continue
        for option, values in probes.items():
            for size, *sizes in zip(shape, declaration.shape, other, strict=True):
                if tuple(sizes) == values:
                    options[option] = size
    return options


def recognise(shapes: Shapes) -> tuple[str, nn.Module]:
    """The model whose parameters have these names and shapes, built with the options that they imply.

    Args:
        shapes: of every tensor of a checkpoint, by torch's names and in torch's axis order. The names may be those of
            a wrapped model (see `convert.match_names`). The counters `num_batches_tracked` may be missing, as they are
            in old checkpoints.

    Returns:
        The model's name and its description.

    Raises:
        ValueError: no model fits; the message names the most similar ones.
    """
    shared: dict[str, float] = {}
    for form in possible_names(shapes):
        renamed = {form[name]: shapes[name] for name in form}
        names = _without_counters(renamed)
        for name in _likeliest_first(names):
            entry = _entries[name]
            expected = _without_counters(entry.builder(**entry.read_options(renamed)).declarations())
            shared[name] = max(shared.get(name, 0), len(names & expected) / len(names | expected))
            if names == expected:
                model = entry.builder(**read_options(name, renamed))
                declared = model.declarations()
                if all(declared[key].shape == tuple(renamed[key]) for key in names):
                    return name, model
    closest = sorted(shared, key=lambda name: -shared[name])[:3]
    raise ValueError(
        f"these {len(shapes)} tensors fit no model; most similar by their names: "
        + ", ".join(f"{name} ({shared[name]:.0%})" for name in closest)
    )


def _likeliest_first(names: set[str]) -> list[str]:
    """All models; first the families whose tensors have the most similar names when numbers in them are ignored.

    Quantisable models come last: of floating-point numbers, they have the tensors of the plain models.
    """
    patterns = _without_numbers(names)
    families: dict[str, list[str]] = {}
    for name, entry in _entries.items():
        families.setdefault(entry.builder.__module__, []).append(name)

    def likeness(members: list[str]) -> tuple[bool, float]:
        entry = _entries[members[0]]
        own = _without_numbers(_without_counters(entry.builder().declarations()))
        return entry.task != "quantization", len(own & patterns) / len(own | patterns)

    return [name for members in sorted(families.values(), key=likeness, reverse=True) for name in members]


def _without_numbers(names: set[str]) -> set[str]:
    return {re.sub(r"\d+", "#", name) for name in names}


def _without_counters(names: Mapping[str, Any]) -> set[str]:
    return {name for name in names if not name.endswith("num_batches_tracked")}
