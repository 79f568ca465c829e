"""A model cut down to the feature maps that a detector, a segmenter or a loss looks at."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .... import nn
from .registry import get_model

__all__ = ["features"]


def features(
    model: str | nn.Module, layers: Sequence[str] | Mapping[str, str], *,
    image: tuple[int, int, int] = (224, 224, 3), **options: Any,
) -> nn.Module:
    """A description that returns what some layers of a model return, and declares only the arrays that this takes.

    Its `forward` gives a dict, and ends at the last of the layers. Names of arrays are the model's, so its weights fit:
    `{name: params[name] for name in backbone.declarations() if name in params}`.

    Args:
        model: the name of a model or a description.
        layers: names of modules, as for `apply(capture=...)`; or a mapping of these to the keys of the result.
        image: (height, width, channels) of some image that the model takes; the result takes others as the model does.
        options: of the builder, where `model` is a name.

    Raises:
        ValueError: a layer is none of the model's.

    >>> backbone = features("resnet18", {"layer2": "fine", "layer4": "coarse"})
    >>> params, state = jax.jit(backbone.init)(jax.random.key(0))
    >>> maps, _ = backbone.apply(params, state, jnp.zeros((1, 64, 64, 3)))
    >>> {name: x.shape for name, x in maps.items()}, "fc.weight" in params
    ({'fine': (1, 8, 8, 128), 'coarse': (1, 2, 2, 512)}, False)
    """
    if isinstance(model, str):
        model = get_model(model, **options)
    elif options:
        raise ValueError(f"{', '.join(options)}: options are of a builder, and {type(model).__name__} is built already")
    names = dict(layers) if isinstance(layers, Mapping) else {name: name for name in layers}
    whole = _returning(model, names)
    return _without_unused(whole, "", _used_arrays(whole, jax.ShapeDtypeStruct((2, *image), jnp.float32)))


class _Features(nn.Module):
    """Mixed into a model's class by `features`: returns intermediate results in place of the model's own."""

    _layers: Mapping[str, str]

    def forward(self, *args: Any) -> dict[str, Any]:
        found = self.captured(tuple(self._layers), super().forward, *args)
        return {key: found[name] for name, key in self._layers.items()}


class _LeftOut(nn.Module):
    """In the place of a module that is not reached."""

    def forward(self, *args: Any) -> Any:
        raise ValueError("this part of the model was left out: it lies behind the layers that `features` was asked for")


def _returning(model: nn.Module, layers: Mapping[str, str]) -> nn.Module:
    """The model as one that returns what its layers do."""
    kind = type(model)
    changed = object.__new__(type(f"{kind.__name__}Features", (_Features, kind), {"__module__": __name__}))
    vars(changed).update(vars(model), _layers=layers)
    return changed


def _used_arrays(model: nn.Module, image: Any) -> set[str]:
    """Names of the arrays that an evaluation or a training step looks at."""
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


def _without_unused(module: nn.Module, path: str, used: set[str]) -> nn.Module:
    """The module in which those that declare arrays, and none that is used, are left out."""
    kept = {}
    for name, value in vars(module).items():
        if isinstance(value, nn.Module):
            where = f"{path}.{name}" if path else name
            declared = [f"{where}.{key}" for key in value.declarations()]
            unused = declared and not used.intersection(declared)
            value = _LeftOut() if unused else _without_unused(value, where, used)
        kept[name] = value
    changed = object.__new__(type(module))
    vars(changed).update(kept)
    return changed
