"""The description of a model of integers, from that of a floating-point model."""

from collections.abc import Mapping
from typing import Any, TypeVar

import jax

from .... import nn
from ....quantize import integer_layers as layers
from ...ops import Conv2dNormActivation

__all__ = ["BACKENDS", "Marked", "finished", "read_options"]

M = TypeVar("M", bound=nn.Module)

BACKENDS = ("fbgemm", "qnnpack")
"""With "fbgemm" a weight has a scale for each output channel, with "qnnpack" one scale."""

_CONV_NORM_ACTIVATION = (("0", "1", "2"),)  # the fused children of `Conv2dNormActivation`


class Marked(nn.Module):
    """Marks where integers begin and end in a model. It stands before the class of the model among the base classes."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.quant, self.dequant = layers.QuantStub(), layers.DeQuantStub()

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.dequant(super().forward(self.quant(x)))


def finished(model: M, quantize: bool, backend: str) -> M:
    """A quantisable model as its builder returns it: with ReLU in place of ReLU6, and of integers if `quantize` is set.

    Raises:
        ValueError: `backend` is none of `BACKENDS`.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is unknown; it can be {' or '.join(map(repr, BACKENDS))}")
    relu = nn.ReLU()
    model = model._rebuild(lambda _, module: relu if type(module) is nn.ReLU6 else {})  # pyright: ignore
    return _of_integers(model, per_channel=backend == "fbgemm") if quantize else model


def read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The options `quantize` and `backend` of the model of a checkpoint, by the names and shapes in it."""
    scales = [shape for name, shape in shapes.items() if name.endswith(".weight_scale")]
    if scales:
        return {"quantize": True, "backend": "qnnpack" if scales[0] == () else "fbgemm"}
    return {"quantize": True} if any(".weight_fake_quant." in name for name in shapes) else {}


def _of_integers(model: M, *, per_channel: bool) -> M:
    """The model of integers with the arrays of the same names as torch's `convert` gives it.

    A module's attribute `fused` lists its children, by their paths, that become one layer: a convolution, and a norm
    and a ReLU after it.
    """
    modules = dict(model.named_modules())
    changed: dict[str, nn.Module] = {}
    for path, module in modules.items():
        groups = _CONV_NORM_ACTIVATION if type(module) is Conv2dNormActivation else getattr(module, "fused", ())
        for group in groups:
            first, *others = (f"{path}.{name}" if path else name for name in group)
            if type(conv := modules.get(first)) is not nn.Conv2d:
                continue
            inner = {name: modules[name] for name in others if isinstance(modules.get(name), nn.BatchNorm2d | nn.ReLU)}
            relu = any(isinstance(one, nn.ReLU) for one in inner.values())
            changed[first] = layers.QuantizedConv2d(conv, per_channel, relu=relu)
            changed |= {name: nn.Identity() for name in inner}
    for path, module in modules.items():
        if path not in changed and (other := _counterpart(module, per_channel)) is not None:
            changed[path] = other
    return model._rebuild(lambda path, _: changed.get(path, {}))  # pyright: ignore


def _counterpart(module: nn.Module, per_channel: bool) -> nn.Module | None:
    """The layer of integers for a layer that is not fused; None for a module that stays, such as a container."""
    match module:
        case nn.Conv2d():
            return layers.QuantizedConv2d(module, per_channel)
        case nn.Linear():
            return layers.QuantizedLinear(module, per_channel)
        case layers.Add():
            return layers.QuantizedAdd(relu=module.relu)
        case nn.AdaptiveAvgPool2d(output_size=1):
            return layers.QuantizedAdaptiveAvgPool2d()
        case nn.AdaptiveAvgPool2d() | nn.AvgPool2d():
            return layers.QuantizedAvgPool2d(module)
        case nn.MaxPool2d():
            return layers.QuantizedMaxPool2d(module)
        case nn.Flatten():
            return layers.QuantizedFlatten(module)
    return _WITHOUT_OPTIONS[type(module)]() if type(module) in _WITHOUT_OPTIONS else None


_WITHOUT_OPTIONS: dict[type[nn.Module], type[nn.Module]] = {
    layers.QuantStub: layers.Quantize, layers.DeQuantStub: layers.Dequantize,
    layers.Cat: layers.QuantizedCat, layers.Mul: layers.QuantizedMul, layers.Mean: layers.QuantizedMean,
    nn.ReLU: layers.QuantizedReLU, nn.Hardswish: layers.QuantizedHardswish,
    nn.Hardsigmoid: layers.QuantizedHardsigmoid, nn.Dropout: nn.Identity,
}  # fmt: skip
