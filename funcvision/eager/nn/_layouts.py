"""Where torch has the axis of channels, and pure functions that compute channels last behind torch's layout."""

import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["Layout", "behind", "channels_first", "in_torchs_layout", "layout_of"]

Layout = int | str | None
"""Where the channels are: an int says how many spatial axes follow them, "second" that they are axis 1, and "classes"
that axis 1 holds the scores of classes, also in a target of as many axes. "linear classes" is that of targets which are
probabilities, behind the axes of the input. "fold" and "unfold" go from windows, whose last two axes torch swaps, to
images and back. None: the function has no channels."""

_SECOND = (
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "ChannelShuffle", "CrossMapLRN2d", "GroupNorm", "LocalResponseNorm",
    "FeatureAlphaDropout", "PReLU", "SyncBatchNorm", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d",
    "batch_norm", "channel_shuffle", "feature_alpha_dropout", "feature_dropout", "group_norm", "instance_norm",
    "interpolate", "local_response_norm", "prelu", "upsample", "upsample_bilinear", "upsample_nearest",
)  # fmt: skip
_IMAGES = (
    "PixelShuffle", "PixelUnshuffle", "Softmax2d", "grid_sample", "pixel_shuffle", "pixel_unshuffle",
)  # fmt: skip
_CLASSES = ("CrossEntropyLoss", "NLLLoss", "NLLLoss2d", "cross_entropy", "nll_loss")


def layout_of(name: str) -> Layout:
    """The layout of a layer or function of this name."""
    if name in _CLASSES:
        return "classes"
    if name == "LinearCrossEntropyLoss":
        return "linear classes"
    if name.lower() in ("fold", "unfold"):
        return name.lower()
    if name in _SECOND:
        return "second"
    if name in _IMAGES:
        return 2
    spatial = re.search(r"([123])d(_with_indices)?$", name)
    return int(spatial[1]) if spatial else None


def in_torchs_layout(error: ValueError, layout: Layout) -> RuntimeError:
    """An error about the arguments of a call, in torch's class. If channels were moved, it says so."""
    moved = "" if layout is None else ". Here the channels stand last; those of a Tensor stand before its pixels"
    return RuntimeError(f"{error}{moved}")


def _axis(ndim: int, layout: Layout) -> int:
    return ndim - 1 - layout if isinstance(layout, int) else min(1, ndim - 1)


def _to_last(x: Any, layout: Layout) -> Any:
    if layout == "fold":
        return jnp.swapaxes(x, -1, -2)
    layout = 2 if layout == "unfold" else layout
    return jnp.moveaxis(x, _axis(x.ndim, layout), -1) if _has_channels(x, layout) else x


def _to_first(x: Any, layout: Layout) -> Any:
    if layout == "unfold":
        return jnp.swapaxes(x, -1, -2)
    layout = 2 if layout == "fold" else layout
    return jnp.moveaxis(x, -1, _axis(x.ndim, layout)) if _has_channels(x, layout) else x


def _has_channels(x: Any, layout: Layout) -> bool:
    return hasattr(x, "ndim") and x.ndim > (layout if isinstance(layout, int) else 1)


def channels_first(function: Callable[..., Any], layout: Layout, arrays: int = 1) -> Callable[..., Any]:
    """A pure function in torch's layout, from one that computes channels last.

    Args:
        function: takes `arrays` arrays with channels first, then other arguments.
        layout: where the channels are.
        arrays: how many of the first arguments have channels.
    """
    if layout is None:
        return function

    @functools.wraps(function)
    def moved(*args: Any, **kwargs: Any) -> Any:
        if layout == "classes":
            return function(*_classes_last(*args[:2]), *args[2:], **kwargs)
        if layout == "linear classes":
            return function(args[0], behind(args[0], args[1]), *args[2:], **kwargs)
        args = (*(_to_last(x, layout) for x in args[:arrays]), *args[arrays:])
        return jax.tree.map(lambda y: _to_first(y, layout), function(*args, **kwargs))

    return moved


def behind(input: Any, target: Any) -> Any:
    """A target with the axis of its probabilities, the first one behind those of the input, in the last place."""
    return jnp.moveaxis(target, input.ndim - 1, -1) if jnp.issubdtype(target.dtype, jnp.floating) else target


def _classes_last(scores: Any, target: Any) -> tuple[Any, Any]:
    """Scores, and targets that are probabilities of classes, with their classes in the last axis."""
    of_classes = target.ndim == scores.ndim and jnp.issubdtype(target.dtype, jnp.floating)
    return _to_last(scores, "second"), _to_last(target, "second") if of_classes else target
