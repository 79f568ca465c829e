"""Dropout layers. They act only in training. Each use draws from a random key of its own."""

from collections.abc import Callable
from typing import ClassVar

import jax

from .. import functional as F
from ..functional._drop import check_probability
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    function: ClassVar[Callable[..., jax.Array]]

    def __init__(self, p: float = 0.5, inplace: bool = False):
        check_probability(type(self).__name__, p)
        self.p = p

    def forward(self, x: jax.Array) -> jax.Array:
        key = self.random_key() if self.training and 0 < self.p < 1 else None
        return type(self).function(x, self.p, self.training, key=key)


class Dropout(_Dropout):
    """Drops elements with probability `p`; see `functional.dropout`. `inplace` is ignored: arrays are immutable."""

    function = F.dropout


class Dropout1d(_Dropout):
    """Drops whole channels of [..., length, channels]. Arguments are those of `Dropout`."""

    function = F.dropout1d


class Dropout2d(_Dropout):
    """Drops whole channels of images [..., height, width, channels]. Arguments are those of `Dropout`."""

    function = F.dropout2d


class Dropout3d(_Dropout):
    """Drops whole channels of [..., depth, height, width, channels]. Arguments are those of `Dropout`."""

    function = F.dropout3d


class AlphaDropout(_Dropout):
    """Dropout for networks with `SELU` activations; see `functional.alpha_dropout`."""

    function = F.alpha_dropout


class FeatureAlphaDropout(_Dropout):
    """Drops whole channels in networks with `SELU` activations; see `functional.feature_alpha_dropout`."""

    function = F.feature_alpha_dropout
