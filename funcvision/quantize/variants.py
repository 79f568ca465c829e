"""Layers with quantised weights and inputs, as variants of the classes of `nn`.

A layer of a description is exchanged for a copy with another class, which has the options of the layer and its forward
pass. Such a class overrides what `forward` reads: an attribute `weight` that is declared as int8 is read as the float
array that it stands for. So a layer that uses its weights in any way, or a parent that reads them, works unchanged.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from .. import nn
from ..functional._check import integers, padding_pairs
from ..nn import init
from ..nn._declarations import Declaration
from . import affine
from ._products import FEW_CHANNELS, integer_conv2d, integer_product

__all__ = ["exchange", "fake_quantized", "int8", "is_layer", "mixed", "weight_names", "weights_only"]

_LAYERS = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)
"""The layers whose input can be quantised too: `forward(x)` is linear in `x` and in `weight`, plus `bias`."""


def is_layer(module: nn.Module) -> bool:
    """Whether the input of a module can be quantised too."""
    return isinstance(module, _LAYERS)


def weight_names(module: nn.Module) -> list[str]:
    """The attributes of a module that are declared as weights: parameters with output channels, "O" in their layout."""
    return [
        name for name, value in vars(module).items()
        if isinstance(value, nn.Param) and value.layout is not None and "O" in value.layout and len(value.shape) > 1
    ]


# Classes


Rule = Callable[[str, nn.Module], tuple[type[nn.Module], Mapping[str, Any]] | None]


def exchange(model: nn.Module, rule: Rule) -> nn.Module:
    """A description in which some modules have another class and other attributes. Shared modules stay shared.

    Args:
        model: the description.
        rule: is called once with every module and the first path to it. It returns the class and the attributes that
            change, or None for a module that stays as it is.
    """
    changes: dict[int, tuple[type[nn.Module], Mapping[str, Any]]] = {}
    for path, module in model.named_modules():
        if (change := rule(path, module)) is not None:
            changes[id(module)] = change
    exchanged: dict[int, nn.Module] = {}

    def exchanging(module: nn.Module) -> nn.Module:
        if id(module) not in exchanged:
            kind, own = changes.get(id(module), (type(module), {}))
            below = {name: exchanging(child) for name, child in module.children().items()}
            same = all(child is below[name] for name, child in module.children().items())
            unchanged = same and id(module) not in changes
            exchanged[id(module)] = module if unchanged else module._copy({**below, **own}, kind)
        return exchanged[id(module)]

    return exchanging(model)


@functools.cache
def mixed(mixin: type, kind: type[nn.Module], prefix: str) -> type[nn.Module]:
    """The class `kind` with `mixin` before it in the order in which methods are looked up, and `prefix` in its name.

    In a class derived from a layer of `nn` the mixin stands between the two, so that it is called by `super().forward`
    of the derived class.
    """
    layer = next((layer for layer in _LAYERS if issubclass(kind, layer)), kind)
    direct = type(prefix + layer.__name__, (mixin, layer), {"__module__": __name__})
    return direct if kind is layer else type(prefix + kind.__name__, (kind, direct), {"__module__": __name__})


@functools.cache
def _with_weights(
    read: Callable[[nn.Module, str], Any], kind: type[nn.Module], names: tuple[str, ...], name: str
) -> type[nn.Module]:
    """A class derived from `kind`, called `name`, whose attributes `names` are read by `read(module, name)`."""

    def attribute(name: str) -> property:
        def value(module: nn.Module) -> Any:
            stored = vars(module)[name]
            return stored if isinstance(stored, Declaration) else read(module, name)

        return property(value)

    return type(name, (kind,), {"__module__": __name__, **{name: attribute(name) for name in names}})


def _dequantized(module: nn.Module, name: str) -> jax.Array:
    return affine.dequantize_weight(vars(module)[name], vars(module)[f"{name}_scale"])


def _fake_quantized(module: nn.Module, name: str) -> jax.Array:
    return affine.fake_quantize_weight(vars(module)[name], vars(module)["bits"])


def _int8(module: nn.Module, names: list[str]) -> dict[str, Declaration]:
    """Integers and scales in place of the weights `names`. They are buffers, because nothing trains them."""
    declared = {}
    for name in names:
        weight = vars(module)[name]
        declared[name] = nn.Buffer(weight.shape, init.zeros, weight.layout, jnp.int8)
        declared[f"{name}_scale"] = nn.Buffer((weight.stored_shape[-1],), init.ones, dtype=jnp.float32)
    return declared


# Int8


def weights_only(module: nn.Module, names: list[str]) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class and the changes of a module whose weights `names` are int8 and become floats within each call."""
    own = type(module)
    return _with_weights(_dequantized, own, tuple(names), f"Int8Weights{own.__name__}"), _int8(module, names)


def int8(module: nn.Module) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class and the changes of a layer (see `is_layer`) with int8 weights, which quantises its input."""
    mixin = _mixin(module)
    kind = mixed(mixin, type(module), "Int8")
    changes = _int8(module, ["weight"]) | {
        "input_scale": nn.Buffer((), init.ones, dtype=jnp.float32),
        "input_zero_point": nn.Buffer((), init.zeros, dtype=jnp.int32),
    }
    if mixin is not _Int8:
        channels = changes["weight_scale"].shape
        changes["weight_sum"] = nn.Buffer(channels, init.zeros, dtype=jnp.float32)
    return _with_weights(_dequantized, kind, ("weight",), kind.__name__), changes


def _mixin(module: nn.Module) -> type:
    """How a layer computes: with integers where XLA has a fast way for it, otherwise with floats."""
    own = vars(module)
    if isinstance(module, nn.Linear):
        return _Int8Linear
    dense = isinstance(module, nn.Conv2d) and own["groups"] == 1 and own["padding_mode"] == "zeros"
    return _Int8Conv2d if dense and own["in_channels"] >= FEW_CHANNELS else _Int8


class _Int8(nn.Module):
    """Rounds its input to the numbers that its integers stand for. The layer then computes with floats."""

    input_scale: jax.Array
    input_zero_point: jax.Array

    def forward(self, x: jax.Array, *args: Any, **options: Any) -> jax.Array:
        return super().forward(affine.fake_quantize(x, self.input_scale, self.input_zero_point), *args, **options)

    def _finish(self, sums: jax.Array, x: jax.Array) -> jax.Array:
        """The output, from sums of products of integers that still contain the zero point of the input."""
        own = vars(self)
        scale = own["weight_scale"] * self.input_scale
        shift = -own["weight_sum"] * self.input_zero_point.astype(jnp.float32)
        axes = tuple(range(sums.ndim - 1))
        y = (sums + jnp.expand_dims(shift, axes)) * jnp.expand_dims(scale, axes)
        if own["bias"] is not None:
            y = y + jnp.expand_dims(own["bias"].astype(y.dtype), axes)
        return y.astype(x.dtype)

    def _integers(self, x: jax.Array) -> jax.Array:
        return affine.quantize(x, self.input_scale, self.input_zero_point).astype(jnp.int8)


class _Int8Linear(_Int8):
    """A linear layer that multiplies integers."""

    def forward(self, x: jax.Array) -> jax.Array:
        return self._finish(integer_product(self._integers(x), vars(self)["weight"]).astype(jnp.float32), x)


class _Int8Conv2d(_Int8):
    """A convolution that multiplies integers."""

    def forward(self, x: jax.Array) -> jax.Array:
        layer = vars(self)
        strides, dilations = (integers(layer[name], 2, name, 1) for name in ("stride", "dilation"))
        pads = padding_pairs("Conv2d", layer["padding"], layer["kernel_size"], strides, dilations)
        borders = [(0, 0, 0)] * (x.ndim - 3) + [(*pair, 0) for pair in pads] + [(0, 0, 0)]
        padded = jax.lax.pad(self._integers(x), self.input_zero_point.astype(jnp.int8), borders)
        images = padded.reshape(-1, *padded.shape[-3:])
        sums = integer_conv2d(images, layer["weight"], strides, dilations, 1).astype(jnp.float32)
        return self._finish(sums.reshape(*x.shape[:-3], *sums.shape[1:]), x)


# Fake quantisation


def fake_quantized(
    module: nn.Module, names: list[str], bits: int, observed: bool
) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class and the changes of a module that computes with the numbers that its quantised weights stand for.

    Args:
        module: any module.
        names: its weights.
        bits: of a weight.
        observed: whether its input is quantised too. The module then has buffers for the range of its inputs.
    """
    changes: dict[str, Any] = {"bits": bits}
    kind = type(module)
    if observed:
        kind = mixed(_FakeQuantized, kind, "FakeQuantized")
        changes |= {name: nn.Buffer((), init.zeros, dtype=jnp.float32) for name in ("input_low", "input_high")}
    name = kind.__name__ if observed else f"FakeQuantized{kind.__name__}"
    return _with_weights(_fake_quantized, kind, tuple(names), name), changes


class _FakeQuantized(nn.Module):
    """Rounds its input to the numbers that integers stand for.

    In training, the range of the integers follows the range of the inputs as a moving average, as torch's
    MovingAverageMinMaxObserver. An empty range, as before the first batch, quantises nothing.
    """

    input_low: jax.Array
    input_high: jax.Array

    def forward(self, x: jax.Array, *args: Any, **options: Any) -> jax.Array:
        if self.training:
            self._follow(jax.lax.stop_gradient(x))
        rounded = affine.fake_quantize(x, *affine.input_scale(self.input_low, self.input_high))
        return super().forward(jnp.where(self.input_high > self.input_low, rounded, x), *args, **options)

    def _follow(self, x: jax.Array) -> None:
        low = jnp.minimum(x.min(), 0).astype(jnp.float32)
        high = jnp.maximum(x.max(), 0).astype(jnp.float32)
        weight = jnp.where(self.input_high > self.input_low, _AVERAGING, 1.0)
        self.input_low = self.input_low + weight * (low - self.input_low)
        self.input_high = self.input_high + weight * (high - self.input_high)


_AVERAGING = 0.01
"""The weight of a new batch in the moving average of the range; torch's default."""
