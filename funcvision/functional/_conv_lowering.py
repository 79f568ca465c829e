"""How convolutions are handed to XLA. The choice of a lowering by platform and shape lives here and nowhere else."""

import jax
from jax import lax

_SPATIAL = "DHW"


def _dimension_numbers(axes: int) -> tuple[str, str, str]:
    spatial = _SPATIAL[-axes:]
    return f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"


def convolve(
    x: jax.Array, weight: jax.Array, strides: tuple[int, ...], padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...], groups: int,
) -> jax.Array:
    """[N, *spatial, in] with [*kernel, in/groups, out]."""
    return lax.conv_general_dilated(
        x, weight, strides, padding, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=_dimension_numbers(len(strides)),
    )


def convolve_transposed(
    x: jax.Array, weight: jax.Array, strides: tuple[int, ...], padding: tuple[int, ...],
    output_padding: tuple[int, ...], dilation: tuple[int, ...], groups: int,
) -> jax.Array:
    """[N, *spatial, in] with [*kernel, in, out/groups]: the stretched image convolved with the flipped kernel."""
    *kernel, channels, out = weight.shape
    axes = len(kernel)
    flipped = weight[(slice(None, None, -1),) * axes]
    # Groups divide the input channels here; XLA wants them to divide the last axis.
    split = flipped.reshape(*kernel, groups, channels // groups, out)
    regrouped = split.swapaxes(axes, axes + 1).reshape(*kernel, channels // groups, groups * out)
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    pads = [(r - p, r - p + extra) for r, p, extra in zip(reach, padding, output_padding, strict=True)]
    return lax.conv_general_dilated(
        x, regrouped, (1,) * axes, pads, lhs_dilation=strides, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=_dimension_numbers(axes),
    )
