"""Adam and its variants: optimizers with running means of the gradient and of its square."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ._formulas import add_decay, lerp, mean_of_squares
from ._update import Options, State
from .optimizer import Optimizer

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


def _moments(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
    """The count of steps, and two running means, which begin at 0."""
    zeros = {name: jnp.zeros_like(array) for name in ("exp_avg", "exp_avg_sq")}
    return {"step": jnp.zeros((), jnp.float32), **zeros}


def _common(group: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that all of these optimizers use."""
    (beta1, beta2), lr, decay = map(float, group["betas"]), float(group["lr"]), float(group["weight_decay"])
    return {
        "mean_weight": 1 - beta1, "square_decay": beta2, "square_weight": 1 - beta2, "eps": group["eps"],
        "weight_decay": decay, "shrink": 1 - lr * decay,
    }  # fmt: skip


def _decayed(options: Options, n: Any, gradient: jax.Array, param: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(gradient, parameter) after weight decay. Coupled decay changes the gradient, decoupled decay the parameter."""
    if options["decoupled_weight_decay"]:
        return gradient, param * n.shrink if options.uses("weight_decay") else param
    return add_decay(options, n, gradient, param), param


def _new_moments(n: Any, gradient: jax.Array, state: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    return {
        "exp_avg": lerp(state["exp_avg"], gradient, n.mean_weight),
        "exp_avg_sq": mean_of_squares(state["exp_avg_sq"], gradient, n.square_decay, n.square_weight),
    }


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980).

    `weight_decay` times the parameter is added to the gradient, unless `decoupled_weight_decay` is set. `amsgrad`
    divides by the root of the largest second moment so far (Reddi et al. 2018, https://arxiv.org/abs/1904.09237).
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """Two moments of 0; for AMSGrad also the largest second moment."""
        largest = {"max_exp_avg_sq": jnp.zeros_like(array)} if group["amsgrad"] else {}
        return _moments(group, array) | largest

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step, with the corrections of the bias of the moments."""
        beta1, beta2 = map(float, group["betas"])
        return _common(group) | {"rate": float(group["lr"]) / (1 - beta1**step), "root": math.sqrt(1 - beta2**step)}

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient, param = _decayed(options, n, gradient, param)
        new = _new_moments(n, gradient, state)
        square = new["exp_avg_sq"]
        if options["amsgrad"]:
            square = new["max_exp_avg_sq"] = jnp.maximum(state["max_exp_avg_sq"], square)
        return param - n.rate * new["exp_avg"] / (jnp.sqrt(square) / n.root + n.eps), new


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)."""

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
    ):
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )


class Adamax(Optimizer):
    """Adam with the infinity norm in place of the second moment (Kingma and Ba 2015, section 7)."""

    def __init__(
        self, params: Iterable[Any], lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False,
        differentiable: bool = False, capturable: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """A mean and an infinity norm of 0."""
        return {
            "step": jnp.zeros((), jnp.float32), "exp_avg": jnp.zeros_like(array), "exp_inf": jnp.zeros_like(array),
        }  # fmt: skip

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step, with the correction of the bias of the mean."""
        return _common(group) | {"rate": float(group["lr"]) / (1 - float(group["betas"][0]) ** step)}

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient = add_decay(options, n, gradient, param)
        mean = lerp(state["exp_avg"], gradient, n.mean_weight)
        norm = jnp.maximum(state["exp_inf"] * n.square_decay, jnp.abs(gradient) + n.eps)
        return param - n.rate * mean / norm, {"exp_avg": mean, "exp_inf": norm}


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ).

    The momentum of step t is `mu = betas[0] * (1 - 0.5 * 0.96^(t * momentum_decay))`.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """Two moments of 0, and the product of all momenta so far."""
        return _moments(group, array) | {"mu_product": jnp.ones((), jnp.float32)}

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step, with its momentum and the next one."""
        beta1, beta2 = map(float, group["betas"])
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        return _common(group) | {
            "lr": float(group["lr"]), "mu": mu, "next_mu": following, "correction": 1 - beta2**step,
        }  # fmt: skip

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient, param = _decayed(options, n, gradient, param)
        new = _new_moments(n, gradient, state)
        root = jnp.sqrt(new["exp_avg_sq"] / n.correction) + n.eps
        product = state["mu_product"].astype(jnp.float32) * n.mu.astype(jnp.float32)  # torch keeps it in float32
        product = product.astype(param.dtype)
        param = param - n.lr * (1 - n.mu) / (1 - product) * gradient / root
        param = param - n.lr * n.next_mu / (1 - product * n.next_mu) * new["exp_avg"] / root
        return param, new | {"mu_product": product}


class RAdam(Optimizer):
    """Adam that corrects for the variance of its second moment in the first steps (Liu et al. 2020).

    See https://arxiv.org/abs/1908.03265. As long as the second moment is an average of too few values, the step is not
    divided by its root.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """Two moments of 0."""
        return _moments(group, array)

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step. `rectified` is 0 as long as the second moment is not used."""
        beta1, beta2 = map(float, group["betas"])
        correction = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1  # rho in the paper: the length of the average, in the limit and now
        length = longest - 2 * step * beta2**step / correction
        rectified = 0.0
        if length > 5:
            variance = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            rectified = math.sqrt(variance * correction)
        return _common(group) | {"rate": float(group["lr"]) / (1 - beta1**step), "rectified": rectified}

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient, param = _decayed(options, n, gradient, param)
        new = _new_moments(n, gradient, state)
        scale = jnp.where(n.rectified > 0, n.rectified / (jnp.sqrt(new["exp_avg_sq"]) + n.eps), 1)
        return param - n.rate * new["exp_avg"] * scale, new
