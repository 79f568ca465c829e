"""Batch normalisation merged into the layer before it, for inference."""

import copy
from typing import Any, TypeVar

from ..._graph import no_grad
from ...creation import ones_like, zeros_like
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

M = TypeVar("M", bound=Module)


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None,
    bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a convolution that also normalises its output.

    Args:
        conv_w: the weight [out, in, *kernel] of the convolution.
        conv_b: its bias.
        bn_rm: the running mean of the batch normalisation.
        bn_rv: its running variance.
        bn_eps: what is added to the variance.
        bn_w: its weight.
        bn_b: its bias.
        transpose: whether the convolution is transposed, with a weight [in, out, *kernel].
    """
    with no_grad():
        bias = zeros_like(bn_rm) if conv_b is None else conv_b
        bn_w = ones_like(bn_rm) if bn_w is None else bn_w
        bn_b = zeros_like(bn_rm) if bn_b is None else bn_b
        scale = bn_w * (bn_rv + bn_eps).rsqrt()
        shape = [1] * conv_w.ndim
        shape[1 if transpose else 0] = -1
        weight, bias = conv_w * scale.reshape(shape), (bias - bn_rm) * scale + bn_b
    trained = conv_b is not None and conv_b.requires_grad
    return Parameter(weight, conv_w.requires_grad), Parameter(bias, trained)


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a linear layer that also normalises its output; see `fuse_conv_bn_weights`."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fused(layer: M, bn: Any, transpose: bool) -> M:
    if layer.training or bn.training:
        raise AssertionError("only layers in eval mode can be fused: call eval() first")
    fused: Any = copy.deepcopy(layer)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """A copy of a convolution that also does the batch normalisation after it. Both must be in eval mode."""
    return _fused(conv, bn, transpose)


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """A copy of a linear layer that also does the batch normalisation after it. Both must be in eval mode."""
    features: Any = bn
    if features.num_features not in (1, vars(linear)["_layer"].out_features):
        raise AssertionError("the number of features of the normalisation must be that of the layer, or 1")
    return _fused(linear, bn, False)
