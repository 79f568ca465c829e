"""Torch's optimizers, composed of optax's transformations. Each step has the result of torch's."""

from collections.abc import Iterable
from typing import Any

import optax

from ._transformations import accumulate, scale_by_adagrad, scale_by_adam, scale_by_rms
from .optimizer import Optimizer, Options

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "RMSprop"]


def _if(wanted: bool, step: optax.GradientTransformation) -> optax.GradientTransformation:
    return step if wanted else optax.identity()


def _coupled(options: Options) -> list[optax.GradientTransformation]:
    """The first steps of most optimizers: the sign, and weight decay as a part of the gradient."""
    decay = optax.add_decayed_weights(options.weight_decay)
    return [_if(options.maximize, optax.scale(-1.0)), _if(options.uses("weight_decay"), decay)]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if it is not 0 (Sutskever et al. 2013).

    Let d be the gradient plus `weight_decay` times the parameter p. Then `v = momentum * v + (1 - dampening) * d`
    (`v = d` in the first step) and `p -= lr * v`. With `nesterov` it is `p -= lr * (d + momentum * v)`.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False, *, maximize: bool = False,
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"nesterov needs a positive momentum and dampening=0; got {momentum=} and {dampening=}")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        })  # fmt: skip

    @staticmethod
    def transformation(options: Options) -> optax.GradientTransformation:
        """The optax transformation."""
        momentum = accumulate(options.momentum, options.dampening, options.nesterov)
        used = _if(options.uses("momentum"), momentum)
        return optax.chain(*_coupled(options), used, optax.scale_by_learning_rate(options.lr))


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980).

    `weight_decay` times the parameter is added to the gradient. `amsgrad` divides by the root of the largest second
    moment so far.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize,
        })  # fmt: skip

    @staticmethod
    def transformation(options: Options) -> optax.GradientTransformation:
        """The optax transformation."""
        return optax.chain(*_coupled(options), _moments(options), optax.scale_by_learning_rate(options.lr))


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    @staticmethod
    def transformation(options: Options) -> optax.GradientTransformation:
        """The optax transformation."""
        sign = _if(options.maximize, optax.scale(-1.0))
        decay = optax.add_decayed_weights(options.weight_decay)
        return optax.chain(sign, _moments(options), decay, optax.scale_by_learning_rate(options.lr))


def _moments(options: Options) -> optax.GradientTransformation:
    b1, b2 = options.betas
    return scale_by_adam(b1, b2, options.eps, options.amsgrad)


class RMSprop(Optimizer):
    """Divides the gradient by its running root mean square (Hinton 2012), then adds momentum.

    With `centered` the divisor is the running standard deviation.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False, *, maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
            "centered": centered, "maximize": maximize,
        })  # fmt: skip

    @staticmethod
    def transformation(options: Options) -> optax.GradientTransformation:
        """The optax transformation. Like torch, it adds `eps` to the root."""
        scaled = scale_by_rms(options.alpha, options.eps, options.centered)
        momentum = _if(options.uses("momentum"), optax.trace(options.momentum))
        return optax.chain(*_coupled(options), scaled, momentum, optax.scale_by_learning_rate(options.lr))


class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of all squared gradients (Duchi et al. 2011)."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0, eps: float = 1e-10, *, maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "eps": eps, "maximize": maximize,
        })  # fmt: skip

    @staticmethod
    def transformation(options: Options) -> optax.GradientTransformation:
        """The optax transformation."""
        scale = scale_by_adagrad(options.lr_decay, options.initial_accumulator_value, options.eps)
        return optax.chain(*_coupled(options), scale, optax.scale_by_learning_rate(options.lr))
