"""A model cut down to the feature maps that a detector, a segmenter or a loss uses."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .... import nn
from .registry import get_model, task_of

__all__ = ["features"]

_IMAGE, _CLIP = (224, 224, 3), (16, 224, 224, 3)
"""The shapes of one input with which the layers of a classifier are found by default."""


def features(
    model: str | nn.Module, layers: Sequence[str] | Mapping[str, str], *,
    image: tuple[int, ...] | None = None, **options: Any,
) -> nn.Module:
    """A description that returns the outputs of some layers of a model.

    Its `forward` returns a dict and ends as soon as these layers have returned. It declares only the arrays that they
    need, under the names that these have in the model. So weights of the model fit:
    `{name: params[name] for name in backbone.declarations() if name in params}`.

    Args:
        model: the name of a model, or a description.
        layers: names of modules, as for `apply(capture=...)`; or a mapping from these names to keys of the result.
        image: (height, width, channels) of an image that the model accepts, or (time, height, width, channels) of a
            clip. The layers that run are found with it. The result accepts other sizes as the model does. By default
            (224, 224, 3), and (16, 224, 224, 3) for the name of a video classifier.
        options: options of the builder, if `model` is a name.

    Raises:
        ValueError: the model has no such layer, or options are given for a description.

    >>> backbone = features("resnet18", {"layer2": "fine", "layer4": "coarse"})
    >>> params, state = jax.jit(backbone.init)(jax.random.key(0))
    >>> maps, _ = backbone.apply(params, state, jnp.zeros((1, 64, 64, 3)))
    >>> {name: x.shape for name, x in maps.items()}, "fc.weight" in params
    ({'fine': (1, 8, 8, 128), 'coarse': (1, 2, 2, 512)}, False)
    """
    if image is None:
        image = _CLIP if isinstance(model, str) and task_of(model) == "video" else _IMAGE
    if isinstance(model, str):
        model = get_model(model, **options)
    elif options:
        raise ValueError(f"{', '.join(options)}: options are for a name; this {type(model).__name__} is built already")
    names = dict(layers) if isinstance(layers, Mapping) else {name: name for name in layers}
    kind = type(f"{type(model).__name__}Features", (_Features, type(model)), {"__module__": __name__})
    whole = model._copy({"_layers": names}, kind)
    return _without_unused(whole, _used_arrays(whole, jax.ShapeDtypeStruct((2, *image), jnp.float32)))


class _Features(nn.Module):
    """Mixed into the class of a model: `forward` returns outputs of layers, not the output of the model."""

    _layers: Mapping[str, str]

    def forward(self, *args: Any) -> dict[str, Any]:
        found = self.captured(tuple(self._layers), super().forward, *args)
        return {key: found[name] for name, key in self._layers.items()}


class _LeftOut(nn.Module):
    """Stands in the place of a module that does not run."""

    def forward(self, *args: Any) -> Any:
        raise ValueError("`features` left out this part of the model: the layers that it was asked for do not need it")


def _used_arrays(model: nn.Module, image: Any) -> set[str]:
    """Names of the arrays that are read in evaluation or in training."""
    params, state = jax.eval_shape(model.init, jax.random.key(0))
    arrays = {**params, **state}
    used = set()
    for train in (False, True):

        def run(arrays: nn.Arrays, image: jax.Array, key: jax.Array, train: bool = train) -> Any:
            own, other = ({name: arrays[name] for name in names} for names in (params, state))
            return model.apply(own, other, image, train=train, key=key)[0]

        program = jax.make_jaxpr(run)(arrays, image, jax.random.key(0)).jaxpr
        read = {id(variable) for equation in program.eqns for variable in equation.invars}
        used |= {name for name, variable in zip(sorted(arrays), program.invars, strict=False) if id(variable) in read}
    return used


def _without_unused(model: nn.Module, used: set[str]) -> nn.Module:
    """The model without the modules that declare arrays of which none is used."""
    owners = {name.rpartition(".")[0] for name in used}
    needed = {id(module) for path, module in model.named_modules() if path in owners}

    def rule(path: str, module: nn.Module) -> nn.Module | dict[str, Any]:
        unused = module.declarations() and not any(id(below) in needed for _, below in module.named_modules())
        return _LeftOut() if path and unused else {}

    return model._rebuild(rule)
