"""Weights that were trained with fake quantisation, as integers: what torch's `convert` makes of such a model.

The published weights of MobileNetV3 are of this kind. In training each norm is computed by itself and every weight and
activation is rounded to a grid; a moving average of its smallest and largest value determines the grid.
"""

from typing import Any

import numpy as np

from .... import nn

__all__ = ["of_integers"]

_WEIGHT, _ACTIVATION = ".weight_fake_quant", ".activation_post_process"
_OBSERVER = f"{_ACTIVATION}.min_val"  # after the name of what rounds: the smallest value that its observer has seen
_AVERAGING = np.float32(0.01)  # the weight of a new value in torch's moving average

Tensors = dict[str, np.ndarray]


def of_integers(model: nn.Module, tensors: Tensors, *, eps: float) -> Tensors:
    """The tensors of a model of integers from those of a model with fake quantisation; other tensors as they are.

    Args:
        model: the description of the model of integers.
        tensors: by torch's names and in torch's axis order.
        eps: of the norms.
    """
    layers = [name.removesuffix(_WEIGHT + _OBSERVER) for name in tensors if name.endswith(_WEIGHT + _OBSERVER)]
    if not layers:
        return tensors
    found: Tensors = {}
    for layer in layers:
        weight, bias = _fused(layer, tensors, np.float32(eps))
        found[f"{layer}.weight"], found[f"{layer}.weight_scale"] = _quantised_weight(layer, tensors, weight)
        found[f"{layer}.bias"] = bias
    for name in tensors:
        if name.endswith(_ACTIVATION + _OBSERVER) and _WEIGHT not in name:
            module = name.removesuffix(_ACTIVATION + _OBSERVER)
            found[f"{module}.scale"], found[f"{module}.zero_point"] = _grid(module + _ACTIVATION, tensors)
    declared = model.declarations()
    return {name: array.reshape(declared[name].shape) for name, array in found.items() if name in declared}


def _fused(layer: str, tensors: Tensors, eps: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a layer together with the norm after it, if there is one."""
    weight, bias = tensors[f"{layer}.weight"], tensors.get(f"{layer}.bias", np.float32(0))
    if f"{layer}.bn.weight" not in tensors:
        return weight, np.broadcast_to(bias, weight.shape[:1])
    gain, shift, mean, var = (
        tensors[f"{layer}.bn.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    )
    inverse = 1 / np.sqrt(var + eps)
    return weight * _along_channels(gain * inverse, weight), (bias - mean) * inverse * gain + shift


def _quantised_weight(layer: str, tensors: Tensors, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integers of a weight and their scale.

    An observer that is still enabled also sees the weight that is fused with its norm.
    """
    observer = f"{layer}{_WEIGHT}{_ACTIVATION}"
    smallest, largest = tensors[f"{observer}.min_val"], tensors[f"{observer}.max_val"]
    if tensors[f"{layer}{_WEIGHT}.observer_enabled"].any():
        axes: Any = tuple(range(1, weight.ndim)) if smallest.ndim else None
        smallest, largest = _averaged(smallest, weight.min(axes)), _averaged(largest, weight.max(axes))
    scale = np.maximum(np.maximum(-smallest, largest) / np.float32(127.5), tensors[f"{observer}.eps"])
    steps = weight * (1 / _along_channels(scale, weight))
    return np.clip(np.rint(steps), -128, 127).astype(np.int8), scale


def _averaged(average: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(average), average + _AVERAGING * (new - average), new) if np.size(average) else new


def _grid(name: str, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """The scale and the zero point of activations."""
    observer = name + _ACTIVATION
    smallest, largest = tensors[f"{observer}.min_val"], tensors[f"{observer}.max_val"]
    if not (smallest <= largest):  # it has seen nothing
        return np.ones((), np.float32), np.zeros((), np.int64)
    smallest, largest = np.minimum(smallest, np.float32(0)), np.maximum(largest, np.float32(0))
    scale = np.maximum((largest - smallest) / np.float32(255), tensors[f"{observer}.eps"])
    return scale, np.clip(-np.rint(smallest / scale), 0, 255).astype(np.int64)


def _along_channels(array: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Numbers for the first axis of a weight, or one number for all."""
    return array.reshape((-1,) + (1,) * (weight.ndim - 1))
