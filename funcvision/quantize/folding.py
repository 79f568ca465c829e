"""Batch norms become part of the layers before them, for inference."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import nn
from ..nn import init
from . import variants
from .watching import watched

__all__ = ["called_layers", "fold_batch_norm"]


def fold_batch_norm(
    model: nn.Module, params: Mapping[str, jax.Array], state: Mapping[str, jax.Array], *inputs: Any
) -> tuple[nn.Module, nn.Arrays, nn.Arrays]:
    """The model for inference, `(model, params, state)`, in which batch norms are part of the layers before them.

    A traced forward pass shows which batch norm takes the output of which layer, and that nothing else takes it. The
    running statistics and the affine map of the norm change the weight and the bias of that layer, and `nn.Identity`
    takes the place of the norm. A layer without a bias gets one. The outputs are the same up to rounding. Norms stay
    that the model calls within a transformation of its own, such as `jax.checkpoint`.

    Args:
        model: a description.
        params: its parameters.
        state: its other arrays.
        inputs: an example of what `apply` takes after the arrays, such as a batch of images, or
            `jax.ShapeDtypeStruct`s of it.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    >>> image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    >>> folded, params, state = fold_batch_norm(model, *model.init(jax.random.key(0)), image)
    >>> list(params), list(state)
    (['0.weight', '0.bias'], [])
    """
    pairs = _pairs(model, dict(params), dict(state), inputs)
    folded, arrays = _folded_model(model, pairs), _folded_arrays(model, pairs, {**params, **state})
    declared = folded.declarations()
    return (
        folded, {name: arrays[name] for name, one in declared.items() if isinstance(one, nn.Param)},
        {name: arrays[name] for name, one in declared.items() if isinstance(one, nn.Buffer)},
    )


def called_layers(model: nn.Module, params: nn.Arrays, state: nn.Arrays, *inputs: Any) -> list[str]:
    """The paths of the layers (see `variants.is_layer`) that a forward pass calls."""
    called: dict[str, None] = {}

    def watch(path: str, x: Any, y: Any) -> Any:
        called[path] = None
        return y

    watching = watched(model, [path for path, one in model.named_modules() if variants.is_layer(one)], watch)
    jax.eval_shape(lambda *inputs: watching.apply(params, state, *inputs)[0], *inputs)
    return list(called)


# Which norm follows which layer


class _Call(NamedTuple):
    """One call of a module in a traced forward pass: variables of the program, by their ids."""

    path: str
    x: int
    y: int


def _pairs(model: nn.Module, params: nn.Arrays, state: nn.Arrays, inputs: tuple[Any, ...]) -> dict[str, str]:
    """Paths of batch norms by the path of the layer whose output they take in each call, and nothing else takes."""
    modules = dict(model.named_modules())
    calls, jaxpr = _traced(model, params, state, inputs)
    norms = {call.x: call for call in calls if _is_batch_norm(modules[call.path])}
    found: dict[str, set[str | None]] = {}  # by the path of a layer or a norm, what it is paired with in its calls
    for call in calls:
        if variants.is_layer(modules[call.path]):
            norm = norms.get(call.y)
            partner = norm.path if norm is not None and _only_used_by(jaxpr, call.y, norm.y) else None
            found.setdefault(call.path, set()).add(partner)
    for call in calls:
        if _is_batch_norm(modules[call.path]):
            makers = {other.path for other in calls if other.y == call.x and variants.is_layer(modules[other.path])}
            found.setdefault(call.path, set()).update(makers or {None})
    return {
        path: norm for path, partners in found.items() if variants.is_layer(modules[path]) and _foldable(modules[path])
        for norm in partners if norm is not None and len(partners) == 1 and found[norm] == {path}
    }


def _traced(
    model: nn.Module, params: nn.Arrays, state: nn.Arrays, inputs: tuple[Any, ...]
) -> tuple[list[_Call], Any]:
    """The calls of layers and batch norms in a forward pass, and its program."""
    paths: list[str] = []

    def run(*inputs: Any) -> Any:
        values: list[Any] = []

        def watch(path: str, x: Any, y: Any) -> Any:
            paths.append(path)
            values.append((x, y))
            return y

        output, _ = watched(model, of_interest, watch).apply(params, state, *inputs)
        return output, values

    of_interest = [path for path, one in model.named_modules() if variants.is_layer(one) or _is_batch_norm(one)]
    jaxpr = jax.make_jaxpr(run)(*inputs).jaxpr
    count = 2 * len(paths)
    watched_vars = [id(var) for var in jaxpr.outvars[len(jaxpr.outvars) - count :]]
    calls = [_Call(path, *watched_vars[2 * i : 2 * i + 2]) for i, path in enumerate(paths)]
    return calls, jaxpr.replace(outvars=jaxpr.outvars[: len(jaxpr.outvars) - count])


def _only_used_by(jaxpr: Any, x: int, y: int) -> bool:
    """Whether the variable `x` is used for nothing but computing the variable `y`."""
    if any(id(var) == x for var in jaxpr.outvars):
        return False
    needed = {y}
    for equation in reversed(jaxpr.eqns):
        makes = any(id(var) in needed for var in equation.outvars)
        takes = any(id(var) == x for var in equation.invars)
        if takes and not makes:
            return False
        if makes and not any(id(var) == x for var in equation.outvars):
            needed.update(id(var) for var in equation.invars)
    return True


def _is_batch_norm(module: nn.Module) -> bool:
    """Whether a module maps each channel by `running_mean`, `running_var`, `eps`, `weight` and `bias` in inference."""
    own = vars(module)
    return isinstance(own.get("running_mean"), nn.Buffer) and {"running_var", "eps", "weight", "bias"} <= own.keys()


def _foldable(module: nn.Module) -> bool:
    """Whether the last axis of a weight is that of all output channels; a grouped transposed one has them by group."""
    own = vars(module)
    return "output_padding" not in own or own["groups"] == 1


# What folding changes


def _folded_model(model: nn.Module, pairs: Mapping[str, str]) -> nn.Module:
    modules = dict(model.named_modules())

    def rule(path: str, module: nn.Module) -> Any:
        if path in pairs and vars(module)["bias"] is None:
            return type(module), {"bias": nn.Param(vars(modules[pairs[path]])["running_mean"].shape, init.zeros)}
        return None

    folded = variants.exchange(model, rule)
    for norm in pairs.values():
        folded = folded.replace(norm, nn.Identity())
    return folded


def _folded_arrays(model: nn.Module, pairs: Mapping[str, str], arrays: Mapping[str, Any]) -> dict[str, Any]:
    modules, folded = dict(model.named_modules()), dict(arrays)

    def number(name: str, default: float = 0.0) -> Any:
        return np.asarray(arrays[name], np.float64) if name in arrays else default

    for layer, norm in pairs.items():
        variance = number(f"{norm}.running_var")
        scale = number(f"{norm}.weight", 1.0) / np.sqrt(variance + vars(modules[norm])["eps"])
        bias = number(f"{norm}.bias") + (number(f"{layer}.bias") - number(f"{norm}.running_mean")) * scale
        weight = arrays[f"{layer}.weight"]
        folded[f"{layer}.weight"] = jnp.asarray(np.asarray(weight, np.float64) * scale, weight.dtype)
        folded[f"{layer}.bias"] = jnp.asarray(bias, weight.dtype)
    return folded
