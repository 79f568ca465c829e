"""Layers without weights that change the resolution of channels-last arrays or the order of channels."""

from collections.abc import Sequence
from typing import Any

from .. import functional as F
from ..functional._check import Size
from ..functional.resize import Mode
from ._function import Function

__all__ = [
    "ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d",
]

Factor = float | Sequence[float]


class Upsample(Function):
    """Resizes to `size` or by `scale_factor`; see `functional.interpolate`."""

    function = F.interpolate

    def __init__(
        self, size: Size | None = None, scale_factor: Factor | None = None, mode: Mode = "nearest",
        align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    ):
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor


class UpsamplingNearest2d(Upsample):
    """Resizes images [..., height, width, channels] by copying pixels."""

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None):
        super().__init__(_pair(size), _pair(scale_factor))


class UpsamplingBilinear2d(Upsample):
    """Resizes images [..., height, width, channels] bilinearly, with the centres of the corner pixels aligned."""

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Function):
    """[..., h, w, channels * r**2] to [..., h * r, w * r, channels]; see `functional.pixel_shuffle`."""

    function = F.pixel_shuffle

    def __init__(self, upscale_factor: int):
        self.upscale_factor = upscale_factor


class PixelUnshuffle(Function):
    """[..., h * r, w * r, channels] to [..., h, w, channels * r**2]; see `functional.pixel_unshuffle`."""

    function = F.pixel_unshuffle

    def __init__(self, downscale_factor: int):
        self.downscale_factor = downscale_factor


class ChannelShuffle(Function):
    """Interleaves groups of the channels of [..., channels]; see `functional.channel_shuffle`."""

    function = F.channel_shuffle

    def __init__(self, groups: int):
        self.groups = groups


def _pair(value: Any) -> Any:
    """One number repeated, so that `interpolate` resizes two axes."""
    return value if value is None or isinstance(value, Sequence) else (value, value)
