"""Int8 models from trained ones, and models that are trained with fake quantisation."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import nn
from ..nn import init
from . import affine, calibration, folding, variants

__all__ = ["convert", "model_for", "post_training", "prepare_training"]

Triple = tuple[nn.Module, nn.Arrays, nn.Arrays]


def post_training(
    model: nn.Module, params: Mapping[str, jax.Array], state: Mapping[str, jax.Array], batches: Iterable[Any] = (), *,
    weights_only: bool = False, bits: int = 8, skip: Sequence[str] = (), bias_correction: bool = True,
) -> Triple:
    """An int8 model `(model, params, state)` from a trained one, without training.

    Weights are int8 with a scale for each output channel. The inputs of layers (`nn.Linear`, convolutions and
    transposed convolutions) are rounded to 8 bits within ranges that are measured on `batches`. Batch norms become part
    of the layers before them, and biases are corrected for the mean by which rounded weights shift each channel.

    The result is a description like any other, for inference. Its int8 weights and its scales are in `state`;
    `model_for` makes the description again from a file.

    Args:
        model: a description.
        params: its parameters.
        state: its other arrays.
        batches: batches of typical inputs; some dozens of images are enough. A batch is an array, or a tuple of what
            `apply` takes after the arrays. They are read several times.
        weights_only: leave inputs as they are. Weights are converted to floats within each call. Without `batches`,
            batch norms stay and no bias is corrected.
        bits: of a weight, from 2 to 8.
        skip: paths of modules that stay as they are, with all below them.
        bias_correction: whether biases are corrected.

    Raises:
        ValueError: there are no batches, `batches` is one array, `bits` is out of range, a path of `skip` is not in the
            model, the model is not a float model, or it calls layers within a transformation of its own.

    >>> from funcvision import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> params, state = model.init(jax.random.key(0))
    >>> images = jax.random.normal(jax.random.key(1), (4, 16, 16, 3))
    >>> model, params, state = post_training(model, params, state, [images])
    >>> list(params), state["0.weight"].dtype
    (['0.bias'], dtype('int8'))
    >>> y, _ = model.apply(params, state, images)
    """
    _check(model, bits, skip)
    if hasattr(batches, "shape"):
        raise ValueError(f"batches are a list of batches; got one array of shape {batches.shape}: give [array]")  # pyright: ignore
    params, state = dict(params), dict(state)
    batches = [batch if isinstance(batch, tuple) else (batch,) for batch in batches]
    if not batches:
        if not weights_only:
            raise ValueError("post_training needs batches to measure the ranges of inputs; weights_only=True does not")
        return convert(model, params, state, bits=bits, skip=skip)
    model, params, state = folding.fold_batch_norm(model, params, state, *batches[0])
    called = folding.called_layers(model, params, state, *batches[0])
    called = [path for path in called if not _skipped(path, skip)]
    ranges = {} if weights_only else calibration.input_ranges(model, params, state, batches, called)
    if bias_correction:
        rounded = _fake_quantized(model, bits, skip, ())
        shifts = calibration.bias_shifts(model, rounded, params, state, batches, called)
        model, params = _shifted(model, params, shifts)
    return convert(model, params, state | ranges, bits=bits, skip=skip)


def prepare_training(
    model: nn.Module, params: Mapping[str, jax.Array], state: Mapping[str, jax.Array], *, bits: int = 8,
    skip: Sequence[str] = (),
) -> Triple:
    """A model `(model, params, state)` that is trained as it will compute in int8.

    Weights and inputs of layers are rounded to the numbers that integers stand for (fake quantisation). Gradients pass
    the rounding as if it were not there (a straight-through estimator). `state` has the range of each layer's inputs,
    a moving average that training updates. `convert` makes the int8 model afterwards.

    Args:
        model: a description.
        params: its parameters, of a trained model or new ones.
        state: its other arrays.
        bits: of a weight, from 2 to 8.
        skip: paths of modules that stay as they are, with all below them.

    Raises:
        ValueError: `model` is not a float model, `bits` is out of range, or a path of `skip` is not in the model.

    >>> from funcvision import nn
    >>> model = nn.Sequential(nn.Linear(4, 3))
    >>> prepared, params, state = prepare_training(model, *model.init(jax.random.key(0)))
    >>> y, state = prepared.apply(params, state, jnp.ones((2, 4)), train=True)
    >>> int8, params, state = convert(model, params, state)
    >>> sorted(state)
    ['0.input_scale', '0.input_zero_point', '0.weight', '0.weight_scale', '0.weight_sum']
    """
    _check(model, bits, skip)
    paths = [path for path, module in model.named_modules() if variants.is_layer(module) and not _skipped(path, skip)]
    ranges = {
        f"{path}.{end}" if path else end: jnp.zeros((), jnp.float32)
        for path in paths for end in ("input_low", "input_high")
    }
    return _fake_quantized(model, bits, skip, paths), dict(params), {**state, **ranges}


def convert(
    model: nn.Module, params: Mapping[str, jax.Array], state: Mapping[str, jax.Array], *inputs: jax.Array,
    bits: int = 8, skip: Sequence[str] = (),
) -> Triple:
    """The int8 model `(model, params, state)` of one that was trained after `prepare_training`.

    Args:
        model: the description that was given to `prepare_training`.
        params: the parameters after training.
        state: the other arrays after training, with the ranges of inputs. A layer without a range, because it was not
            called, gets int8 weights and takes its inputs as they are.
        inputs: an example of what `apply` takes after the arrays, such as a batch of images. With it, batch norms
            become part of the layers before them.
        bits: as in `prepare_training`, like `skip`.
        skip: paths of modules that stay as they are.

    Raises:
        ValueError: `model` is not a float model, `bits` is out of range, or a path of `skip` is not in the model.
    """
    _check(model, bits, skip)
    arrays, ranges = {**params, **state}, {}
    for name in [name for name in arrays if name.rpartition(".")[2] in ("input_low", "input_high")]:
        ranges[name] = arrays.pop(name)
    if inputs:
        params = {name: array for name, array in params.items() if name in arrays}
        state = {name: array for name, array in state.items() if name in arrays}
        model, params, state = folding.fold_batch_norm(model, params, state, *inputs)
        arrays = {**params, **state}
    weights = [
        f"{path}.{name}" if path else name for path, module in model.named_modules() if not _skipped(path, skip)
        for name in variants.weight_names(module)
    ]
    arrays |= _quantized({name: arrays[name] for name in weights}, bits)
    for prefix in {name.removesuffix("input_low").removesuffix("input_high") for name in ranges}:
        low, high = ranges[f"{prefix}input_low"], ranges[f"{prefix}input_high"]
        if high > low:
            arrays[f"{prefix}input_scale"], arrays[f"{prefix}input_zero_point"] = affine.input_scale(low, high)
    int8 = model_for(model, arrays)
    declared = int8.declarations()
    return (
        int8, {name: arrays[name] for name, one in declared.items() if isinstance(one, nn.Param)},
        {name: arrays[name] for name, one in declared.items() if isinstance(one, nn.Buffer)},
    )


@functools.partial(jax.jit, static_argnums=1)
def _quantized(weights: nn.Arrays, bits: int) -> nn.Arrays:
    """The integers, scales and sums of all weights, by one program."""
    arrays = {}
    for name, weight in weights.items():
        integers, scale = affine.quantize_weight(weight, bits)
        sums = integers.sum(tuple(range(integers.ndim - 1)), dtype=jnp.int32)
        arrays |= {name: integers, f"{name}_scale": scale, f"{name}_sum": sums.astype(jnp.float32)}
    return arrays


def model_for(model: nn.Module, arrays: Mapping[str, Any]) -> nn.Module:
    """The description of an int8 model, made from that of the float model and the arrays of the int8 model.

    The names and the dtypes of the arrays show what was quantised: a weight that is int8, inputs of a layer with an
    `input_scale`, and a batch norm without arrays is part of the layer before it.

        tensors = vision.convert.read("int8.safetensors")
        model = quantize.model_for(models.get_model("mobilenet_v2"), tensors)
        params, state = vision.convert.from_torch(model, tensors)

    Args:
        model: the description of the float model.
        arrays: the arrays of the int8 model by name: `{**params, **state}`, or the tensors of a file.
    """
    model = _without_folded(model, arrays)

    def rule(path: str, module: nn.Module) -> Any:
        prefix = f"{path}." if path else ""
        names = [
            name for name in variants.weight_names(module)
            if prefix + name in arrays and np.dtype(arrays[prefix + name].dtype) == np.int8
        ]
        bias = {}
        if variants.is_layer(module) and vars(module)["bias"] is None and f"{prefix}bias" in arrays:
            bias = {"bias": nn.Param(tuple(arrays[f"{prefix}bias"].shape), init.zeros)}
        if not names:
            return (type(module), bias) if bias else None
        rounds_inputs = f"{prefix}input_scale" in arrays
        kind, changes = variants.int8(module) if rounds_inputs else variants.weights_only(module, names)
        return kind, changes | bias

    return variants.exchange(model, rule)


def _without_folded(model: nn.Module, arrays: Mapping[str, Any]) -> nn.Module:
    """The model with `nn.Identity` in the place of each batch norm whose arrays are all missing."""
    for path, module in list(model.named_modules()):
        names = module.declarations()
        if "running_mean" in names and not any(f"{path}.{name}" in arrays for name in names) and path:
            model = model.replace(path, nn.Identity())
    return model


def _fake_quantized(model: nn.Module, bits: int, skip: Sequence[str], observed: Iterable[str]) -> nn.Module:
    """The model with fake quantisation: of all weights, and of the inputs of the layers `observed`."""
    observed = set(observed)

    def rule(path: str, module: nn.Module) -> Any:
        names = variants.weight_names(module)
        if not names or _skipped(path, skip):
            return None
        return variants.fake_quantized(module, names, bits, path in observed)

    return variants.exchange(model, rule)


def _shifted(model: nn.Module, params: nn.Arrays, shifts: nn.Arrays) -> tuple[nn.Module, nn.Arrays]:
    """The model with `shifts` added to the biases of its layers, by their paths. A layer without a bias gets one."""
    params = dict(params)
    for path, shift in shifts.items():
        name = f"{path}.bias" if path else "bias"
        before = np.asarray(params[name]) if name in params else np.zeros(shift.shape, np.float32)
        params[name] = jnp.asarray(before + np.asarray(shift, before.dtype))

    def rule(path: str, module: nn.Module) -> Any:
        if path in shifts and vars(module)["bias"] is None:
            return type(module), {"bias": nn.Param(shifts[path].shape, init.zeros)}
        return None

    return variants.exchange(model, rule), params


def _skipped(path: str, skip: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in skip)


def _check(model: nn.Module, bits: int, skip: Sequence[str]) -> None:
    if not 2 <= bits <= 8:
        raise ValueError(f"bits={bits}: a weight has from 2 to 8 bits")
    if isinstance(skip, str):
        raise ValueError(f"skip is a list of paths; got {skip!r}: give ({skip!r},)")
    paths = dict(model.named_modules())
    if unknown := [path for path in skip if path not in paths]:
        raise ValueError(f"skip names {unknown[0]!r}, which is not a module of {type(model).__name__}")
    if any("bits" in vars(module) and variants.weight_names(module) for module in paths.values()):
        raise ValueError("this model has fake quantisation: give the model that was given to prepare_training")
    if any(one.dtype_for(jnp.float32) == np.int8 for one in model.declarations().values()):
        raise ValueError("this model has int8 weights: give the float model that it was made of")
