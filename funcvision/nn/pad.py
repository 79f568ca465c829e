"""Padding layers for channels-last arrays.

`padding` is one number for all sides, or torch's (left, right, top, bottom, front, back), the last axis first. Negative
numbers crop. See `functional.pad` for the modes.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import jax

from .. import functional as F
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]


class _Pad(Module):
    axes: ClassVar[int]
    mode: ClassVar[Literal["constant", "reflect", "replicate", "circular"]] = "constant"
    value: float = 0.0

    def __init__(self, padding: int | Sequence[int]):
        ends = 2 * self.axes
        self.padding = tuple(padding) if isinstance(padding, Sequence) else (padding,) * ends
        if len(self.padding) != ends:
            raise ValueError(f"{type(self).__name__} takes one number, or {ends}: two per axis; got {padding}")

    def forward(self, x: jax.Array) -> jax.Array:
        return F.pad(x, self.padding, self.mode, self.value)


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float):
        super().__init__(padding)
        self.value = value


class ConstantPad1d(_ConstantPad):
    """Pads [..., length, channels] with `value`."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """Pads images [..., height, width, channels] with `value`."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """Pads [..., depth, height, width, channels] with `value`."""

    axes = 3


class ZeroPad1d(_Pad):
    """Pads [..., length, channels] with zeros."""

    axes = 1


class ZeroPad2d(_Pad):
    """Pads images [..., height, width, channels] with zeros."""

    axes = 2


class ZeroPad3d(_Pad):
    """Pads [..., depth, height, width, channels] with zeros."""

    axes = 3


class ReflectionPad1d(_Pad):
    """Pads [..., length, channels] with its reflection about the border elements."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Pads images [..., height, width, channels] with their reflection about the border pixels."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Pads [..., depth, height, width, channels] with its reflection about the border elements."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Pads [..., length, channels] with copies of the border elements."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Pads images [..., height, width, channels] with copies of the border pixels."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Pads [..., depth, height, width, channels] with copies of the border elements."""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Pads [..., length, channels] with the elements of the opposite end."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Pads images [..., height, width, channels] with the pixels of the opposite side."""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """Pads [..., depth, height, width, channels] with the elements of the opposite side."""

    axes, mode = 3, "circular"
