"""The models by name, and the model that a checkpoint belongs to."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ... import nn

__all__ = ["get_model", "list_models", "recognise", "register", "sizes_in"]

Builder = Callable[..., nn.Module]
B = TypeVar("B", bound=Builder)

_builders: dict[str, Builder] = {}


def register(builder: B) -> B:
    """Decorator: adds a builder under its own name."""
    _builders[builder.__name__] = builder
    return builder


def list_models() -> list[str]:
    """The names that `get_model` knows, sorted."""
    return sorted(_builders)


def get_model(name: str, num_classes: int = 1000, **options: Any) -> nn.Module:
    """The description of a model by name; `options` are those of its builder (`in_channels` for all).

    Raises:
        ValueError: no model has this name.
    """
    return _builders[_known(name)](num_classes, **options)


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, nn.Module]:
    """The model whose parameters have these names and shapes, with its number of classes and of input channels.

    Args:
        shapes: of every tensor of a checkpoint, by torch's names and in torch's axis order. The counters
            `num_batches_tracked` may be missing, as they are in old checkpoints.

    Returns:
        The model's name and its description.

    Raises:
        ValueError: no model fits; it names those that come closest.
    """
    names = _without_counters(shapes)
    shared = {}
    for name, builder in _builders.items():
        declared = builder().declarations()
        expected = _without_counters(declared)
        shared[name] = len(names & expected) / len(names | expected)
        if names == expected:
            model = builder(**sizes_in(name, shapes))
            declared = model.declarations()
            if all(declared[key].shape == tuple(shapes[key]) for key in names):
                return name, model
    closest = sorted(shared, key=lambda name: -shared[name])[:3]
    raise ValueError(
        f"these {len(shapes)} tensors are of no model here; closest by their names: "
        + ", ".join(f"{name} ({shared[name]:.0%})" for name in closest)
    )


def _known(name: str) -> str:
    if name not in _builders:
        close = ", ".join(difflib.get_close_matches(name, _builders, n=3))
        raise ValueError(f"no model is named {name!r}; " + (f"close to it: {close}" if close else "see list_models()"))
    return name


def _without_counters(names: Mapping[str, Any]) -> set[str]:
    return {name for name in names if not name.endswith("num_batches_tracked")}


def sizes_in(name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """`num_classes` and `in_channels` of a model's checkpoint, read where models built with others differ."""
    builder = _builders[_known(name)]
    plain = builder(num_classes=7, in_channels=1).declarations()
    odd = builder(num_classes=11, in_channels=2).declarations()
    sizes = {}
    for key, declaration in plain.items():
        if len(shapes.get(key, ())) != len(declaration.shape):
            continue
        for axis, (first, second) in enumerate(zip(declaration.shape, odd[key].shape, strict=True)):
            if (first, second) == (7, 11):
                sizes["num_classes"] = shapes[key][axis]
            elif (first, second) == (1, 2):
                sizes["in_channels"] = shapes[key][axis]
    return sizes
