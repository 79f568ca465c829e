"""The models by name, and the model that a checkpoint belongs to."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from .... import nn

__all__ = ["check_name", "get_model", "list_models", "options_in", "recognise", "register"]

Builder = Callable[..., nn.Module]
Shapes = Mapping[str, tuple[int, ...]]
B = TypeVar("B", bound=Builder)

_builders: dict[str, Builder] = {}
_readers: dict[str, Callable[[Shapes], dict[str, Any]]] = {}


@overload
def register(builder: B) -> B: ...
@overload
def register(*, options_in: Callable[[Shapes], dict[str, Any]]) -> Callable[[B], B]: ...


def register(builder: Any = None, *, options_in: Callable[[Shapes], dict[str, Any]] = lambda shapes: {}) -> Any:
    """Decorator: adds a builder under its own name.

    `options_in` tells which options, other than the numbers of classes and channels, a model was built with whose
    checkpoint has tensors of these names and shapes. It is also asked about checkpoints of other models.
    """

    def add(builder: B) -> B:
        _builders[builder.__name__] = builder
        _readers[builder.__name__] = options_in
        return builder

    return add if builder is None else add(builder)


def list_models() -> list[str]:
    """The names that `get_model` knows, sorted."""
    return sorted(_builders)


def get_model(name: str, num_classes: int = 1000, **options: Any) -> nn.Module:
    """The description of a model by name; `options` are those of its builder (`in_channels` for all).

    Raises:
        ValueError: no model has this name.
    """
    check_name(name)
    return _builders[name](num_classes, **options)


def recognise(shapes: Shapes) -> tuple[str, nn.Module]:
    """The model whose parameters have these names and shapes, with the options that these tell.

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
    for name in _likeliest_first(names):
        builder = _builders[name]
        declared = builder(**_readers[name](shapes)).declarations()
        expected = _without_counters(declared)
        shared[name] = len(names & expected) / len(names | expected)
        if names == expected:
            model = builder(**options_in(name, shapes))
            declared = model.declarations()
            if all(declared[key].shape == tuple(shapes[key]) for key in names):
                return name, model
    closest = sorted(shared, key=lambda name: -shared[name])[:3]
    raise ValueError(
        f"these {len(shapes)} tensors are of no model here; closest by their names: "
        + ", ".join(f"{name} ({shared[name]:.0%})" for name in closest)
    )


def _likeliest_first(names: set[str]) -> list[str]:
    """All models, those of the family first whose names are the most alike but for the numbers in them."""
    patterns = _without_numbers(names)
    families: dict[str, list[str]] = {}
    for name, builder in _builders.items():
        families.setdefault(builder.__module__, []).append(name)

    def likeness(members: list[str]) -> float:
        own = _without_numbers(_without_counters(_builders[members[0]]().declarations()))
        return len(own & patterns) / len(own | patterns)

    return [name for members in sorted(families.values(), key=likeness, reverse=True) for name in members]


def _without_numbers(names: set[str]) -> set[str]:
    return {re.sub(r"\d+", "#", name) for name in names}


def check_name(name: str) -> None:
    """Raises ValueError, with names that are close, unless a model has this name."""
    if name not in _builders:
        close = ", ".join(difflib.get_close_matches(name, _builders, n=3))
        raise ValueError(f"no model is named {name!r}; " + (f"close to it: {close}" if close else "see list_models()"))


def _without_counters(names: Mapping[str, Any]) -> set[str]:
    return {name for name in names if not name.endswith("num_batches_tracked")}


def options_in(name: str, shapes: Shapes) -> dict[str, Any]:
    """The options that a model's checkpoint tells: `num_classes` and `in_channels`, and those that its family reads.

    The two numbers are read where models that are built with others differ.
    """
    check_name(name)
    builder, options = _builders[name], _readers[name](shapes)
    plain = builder(num_classes=7, in_channels=1, **options).declarations()
    odd = builder(num_classes=11, in_channels=2, **options).declarations()
    for key, declaration in plain.items():
        if len(shapes.get(key, ())) != len(declaration.shape):
            continue
        for axis, (first, second) in enumerate(zip(declaration.shape, odd[key].shape, strict=True)):
            if (first, second) == (7, 11):
                options["num_classes"] = shapes[key][axis]
            elif (first, second) == (1, 2):
                options["in_channels"] = shapes[key][axis]
    return options
