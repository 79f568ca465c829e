"""Errors of optical flow, as torchvision's training scripts and the RAFT paper report them."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ._totals import add_count, add_sum, count_value, new_count, new_sum, sum_value, weights
from .metric import Metric, State

__all__ = ["EndpointError", "endpoint_error"]

_LIMITS = (1, 3, 5)  # pixels
_OUTLIER_PIXELS, _OUTLIER_SHARE = 3, 0.05  # a pixel counts as wrong in F1-all if its error exceeds both


def endpoint_error(predictions: Any, targets: Any) -> jax.Array:
    """The distance in pixels between two flows, `[..., height, width]` from flows `[..., height, width, 2]`.

    Raises:
        ValueError: the flows have different shapes or another last axis.
    """
    predictions, targets = _flows(predictions, targets)
    return jnp.sqrt(jnp.square(predictions - targets).sum(-1))


@dataclass(frozen=True)
class EndpointError(Metric):
    """Errors of optical flow over a data set.

    `update` takes flows `[..., height, width, 2]` in pixels, and `valid` bool `[..., height, width]`, or `[...]` for
    whole images. `compute` returns, with torchvision's names:

    - "epe": the mean distance in pixels, over all pixels;
    - "per_image_epe": the mean over images of their mean distance;
    - "1px", "3px", "5px": the part of pixels, from 0 to 1, whose distance is less;
    - "f1": F1-all (KITTI's Fl-all), the percentage of pixels whose distance exceeds 3 pixels and a twentieth of the
      true flow's length.
    """

    def init(self) -> State:
        return {
            "distance": new_sum(), "pixels": new_count(), "image_means": new_sum(), "images": new_count(),
            "within": new_count(len(_LIMITS)), "outliers": new_count(),
        }

    def update(self, state: State, predictions: Any, targets: Any, *, valid: Any = None) -> State:
        distance = endpoint_error(predictions, targets)
        if distance.ndim < 2:
            raise ValueError(f"a flow has the axes [..., height, width, 2]; got {(*distance.shape, 2)}")
        length = jnp.sqrt(jnp.square(_flows(predictions, targets)[1]).sum(-1))
        counted = weights(valid, distance.shape)
        distance = jnp.where(counted, distance, 0)  # a pixel that does not count may be NaN
        wrong = counted & (distance > _OUTLIER_PIXELS) & (distance / length > _OUTLIER_SHARE)
        within = [(counted & (distance < limit)).sum(dtype=jnp.int32) for limit in _LIMITS]
        pixels = counted.sum((-2, -1), dtype=jnp.int32)
        sums = distance.sum((-2, -1))
        means = sums / jnp.maximum(pixels, 1).astype(sums.dtype)
        return {
            "distance": add_sum(state["distance"], sums.sum()),
            "pixels": add_count(state["pixels"], pixels.sum(dtype=jnp.int32)),
            "image_means": add_sum(state["image_means"], means.sum()),
            "images": add_count(state["images"], (pixels > 0).sum(dtype=jnp.int32)),
            "within": add_count(state["within"], jnp.stack(within)),
            "outliers": add_count(state["outliers"], wrong.sum(dtype=jnp.int32)),
        }

    def compute(self, state: State) -> dict[str, jax.Array]:
        pixels, images = count_value(state["pixels"]), count_value(state["images"])
        within = count_value(state["within"]) / pixels[None]
        return {
            "epe": sum_value(state["distance"]) / pixels,
            "per_image_epe": sum_value(state["image_means"]) / images,
            **{f"{limit}px": share for limit, share in zip(_LIMITS, within, strict=True)},
            "f1": 100 * (count_value(state["outliers"]) / pixels),
        }


def _flows(predictions: Any, targets: Any) -> tuple[jax.Array, jax.Array]:
    """Two flows, in float32 at least."""
    flows = jnp.asarray(predictions), jnp.asarray(targets)
    if flows[0].shape != flows[1].shape or flows[0].ndim == 0 or flows[0].shape[-1] != 2:
        raise ValueError(f"expected two flows [..., height, width, 2]; got {flows[0].shape} and {flows[1].shape}")
    dtype = jnp.promote_types(jnp.promote_types(flows[0].dtype, flows[1].dtype), jnp.float32)
    return flows[0].astype(dtype), flows[1].astype(dtype)
