"""Losses: `functional`'s losses with their options. They are called directly: `CrossEntropyLoss()(logits, labels)`.

Weights are tuples of numbers. Unlike in torch they are not in the state dict, so a loss needs no `apply`;
`LinearCrossEntropyLoss`, which learns a linear map, does. For weights that change, call the function in `functional`.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._check import integer, shape
from ..functional.linear_cross_entropy import LinearCrossEntropyOptions
from ..functional.metric_loss import Distance
from ._function import Function
from .linear import Linear
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "LinearCrossEntropyLoss", "LinearCrossEntropyOptions",
    "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss",
    "NLLLoss2d", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


def _numbers(weight: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if weight is None else tuple(map(float, weight))


class CrossEntropyLoss(Function):
    """See `functional.cross_entropy`.

    >>> import jax.numpy as jnp
    >>> loss = CrossEntropyLoss(weight=(1.0, 2.0), label_smoothing=0.1)
    >>> print(f"{loss(jnp.zeros((8, 2)), jnp.ones(8, int)):.3f}")
    0.676
    """

    function = F.cross_entropy

    def __init__(
        self, weight: Sequence[float] | None = None, *, ignore_index: int = -100, reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        self.weight, self.ignore_index = _numbers(weight), ignore_index
        self.reduction, self.label_smoothing = reduction, label_smoothing


class NLLLoss(Function):
    """See `functional.nll_loss`."""

    function = F.nll_loss

    def __init__(self, weight: Sequence[float] | None = None, *, ignore_index: int = -100, reduction: str = "mean"):
        self.weight, self.ignore_index, self.reduction = _numbers(weight), ignore_index, reduction


class NLLLoss2d(NLLLoss):
    """`NLLLoss` under its former name for images."""


class LinearCrossEntropyLoss(Module):
    """`CrossEntropyLoss` of a linear map, which it learns; see `functional.linear_cross_entropy`.

    Args:
        in_features: features of the input.
        num_classes: the number of classes.
        out_features: the axes of the target, for several predictions from each row of the input.
        bias: whether the linear map has a bias.
        reduction: "mean", "sum" or "none".
        weight: a factor for each class.
        ignore_index: positions with this target add nothing to the loss; -100 by default.
        label_smoothing: the share of each target that is spread over the classes.
        options: compute the logits in parts of the batch, which saves memory.

    It is called with inputs [..., in_features] and class indices [..., *out_features] or class probabilities
    [..., *out_features, num_classes]. `linear.weight` is stored as [in_features, num_classes * ...], classes first.
    """

    def __init__(
        self, in_features: int, num_classes: int, *, out_features: Sequence[int] = (), bias: bool = False,
        reduction: str = "mean", weight: Sequence[float] | None = None, ignore_index: int | None = None,
        label_smoothing: float = 0.0, options: LinearCrossEntropyOptions | None = None,
    ):
        self.num_classes = integer(num_classes, "LinearCrossEntropyLoss: num_classes", 1)
        self.out_features = shape(out_features, "LinearCrossEntropyLoss: out_features", 1)
        self.reduction, self.weight, self.ignore_index = reduction, _numbers(weight), ignore_index
        self.label_smoothing, self.options = label_smoothing, options
        self.linear = Linear(in_features, self.num_classes * math.prod(self.out_features), bias)

    def forward(self, input: jax.Array, target: jax.Array) -> jax.Array:
        sizes = self.num_classes, *self.out_features
        weight, bias = self.linear.weight, self.linear.bias
        return F.linear_cross_entropy(
            input, jnp.moveaxis(weight.reshape(self.linear.in_features, *sizes), 1, -1), target,
            linear_bias=None if bias is None else jnp.moveaxis(bias.reshape(sizes), 0, -1), weight=self.weight,
            reduction=self.reduction, ignore_index=self.ignore_index, label_smoothing=self.label_smoothing,
            options=self.options,
        )


class CTCLoss(Function):
    """See `functional.ctc_loss`; called with log-probabilities, targets, and the lengths of both."""

    function = F.ctc_loss

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        self.blank, self.reduction, self.zero_infinity = blank, reduction, zero_infinity


class MultiMarginLoss(Function):
    """See `functional.multi_margin_loss`."""

    function = F.multi_margin_loss

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Sequence[float] | None = None, *, reduction: str = "mean"
    ):
        self.p, self.margin, self.weight, self.reduction = p, margin, _numbers(weight), reduction


class BCELoss(Function):
    """See `functional.binary_cross_entropy`."""

    function = F.binary_cross_entropy

    def __init__(self, weight: Sequence[float] | None = None, *, reduction: str = "mean"):
        self.weight, self.reduction = _numbers(weight), reduction


class BCEWithLogitsLoss(Function):
    """See `functional.binary_cross_entropy_with_logits`."""

    function = F.binary_cross_entropy_with_logits

    def __init__(
        self, weight: Sequence[float] | None = None, *, reduction: str = "mean",
        pos_weight: Sequence[float] | None = None,
    ):
        self.weight, self.reduction, self.pos_weight = _numbers(weight), reduction, _numbers(pos_weight)


class _Reduced(Function):
    def __init__(self, *, reduction: str = "mean"):
        self.reduction = reduction


class SoftMarginLoss(_Reduced):
    """See `functional.soft_margin_loss`."""

    function = F.soft_margin_loss


class MultiLabelMarginLoss(_Reduced):
    """See `functional.multilabel_margin_loss`."""

    function = F.multilabel_margin_loss


class MultiLabelSoftMarginLoss(Function):
    """See `functional.multilabel_soft_margin_loss`."""

    function = F.multilabel_soft_margin_loss

    def __init__(self, weight: Sequence[float] | None = None, *, reduction: str = "mean"):
        self.weight, self.reduction = _numbers(weight), reduction


class MSELoss(_Reduced):
    """See `functional.mse_loss`."""

    function = F.mse_loss


class L1Loss(_Reduced):
    """See `functional.l1_loss`."""

    function = F.l1_loss


class SmoothL1Loss(Function):
    """See `functional.smooth_l1_loss`."""

    function = F.smooth_l1_loss

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0):
        self.reduction, self.beta = reduction, beta


class HuberLoss(Function):
    """See `functional.huber_loss`."""

    function = F.huber_loss

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0):
        self.reduction, self.delta = reduction, delta


class KLDivLoss(Function):
    """See `functional.kl_div`."""

    function = F.kl_div

    def __init__(self, *, reduction: str = "mean", log_target: bool = False):
        self.reduction, self.log_target = reduction, log_target


class GaussianNLLLoss(Function):
    """See `functional.gaussian_nll_loss`; called with means, observations and variances."""

    function = F.gaussian_nll_loss

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        self.full, self.eps, self.reduction = full, eps, reduction


class PoissonNLLLoss(Function):
    """See `functional.poisson_nll_loss`."""

    function = F.poisson_nll_loss

    def __init__(self, *, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"):
        self.log_input, self.full, self.eps, self.reduction = log_input, full, eps, reduction


class _Margin(Function):
    def __init__(self, margin: float = 0.0, *, reduction: str = "mean"):
        self.margin, self.reduction = margin, reduction


class CosineEmbeddingLoss(_Margin):
    """See `functional.cosine_embedding_loss`; called with two embeddings and a target."""

    function = F.cosine_embedding_loss


class MarginRankingLoss(_Margin):
    """See `functional.margin_ranking_loss`; called with two scores and a target."""

    function = F.margin_ranking_loss


class HingeEmbeddingLoss(_Margin):
    """See `functional.hinge_embedding_loss`."""

    function = F.hinge_embedding_loss

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean"):
        super().__init__(margin, reduction=reduction)


class TripletMarginLoss(Function):
    """See `functional.triplet_margin_loss`; called with anchors, positives and negatives."""

    function = F.triplet_margin_loss

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, *, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ):
        self.margin, self.p, self.eps, self.swap, self.reduction = margin, p, eps, swap, reduction


class TripletMarginWithDistanceLoss(Function):
    """See `functional.triplet_margin_with_distance_loss`; called with anchors, positives and negatives."""

    function = F.triplet_margin_with_distance_loss

    def __init__(
        self, *, distance_function: Distance | None = None, margin: float = 1.0, swap: bool = False,
        reduction: str = "mean",
    ):
        self.distance_function, self.margin, self.swap, self.reduction = distance_function, margin, swap, reduction
