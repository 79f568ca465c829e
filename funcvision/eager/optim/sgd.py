"""Stochastic gradient descent: with momentum, with averaging, and with orthogonal steps."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ._formulas import add_decay, lerp
from ._update import Options, State
from .optimizer import Optimizer

__all__ = ["ASGD", "SGD", "Muon"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if it is not 0 (Sutskever et al. 2013).

    Let d be the gradient plus `weight_decay` times the parameter p. Then `v = momentum * v + (1 - dampening) * d`
    (`v = d` in the first step) and `p -= lr * v`. With `nesterov` it is `p -= lr * (d + momentum * v)`.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None,
        differentiable: bool = False, fused: bool | None = None,
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"nesterov needs a positive momentum and dampening=0; got {momentum=} and {dampening=}")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """A velocity of 0, if there is momentum."""
        return {"momentum_buffer": jnp.zeros_like(array)} if group["momentum"] != 0 else {}

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The first step is not dampened."""
        return {
            "lr": float(group["lr"]), "momentum": float(group["momentum"]),
            "weight_decay": float(group["weight_decay"]), "weight": 1.0 if step == 1 else 1 - group["dampening"],
        }  # fmt: skip

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient = add_decay(options, n, gradient, param)
        if not options.uses("momentum"):
            return param - n.lr * gradient, {}
        velocity = state["momentum_buffer"] * n.momentum + gradient * n.weight
        change = gradient + n.momentum * velocity if options["nesterov"] else velocity
        return param - n.lr * change, {"momentum_buffer": velocity}


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992).

    `eta = lr / (1 + lambd * lr * t)^alpha` is the learning rate after t steps. From step `t0` on, `state[p]["ax"]` is
    the average of the parameter.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
        weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
        capturable: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """The learning rate `eta` and the weight `mu` of the next value in the average `ax`."""
        return {
            "step": jnp.zeros((), jnp.float32), "eta": jnp.full((), float(group["lr"]), jnp.float32),
            "mu": jnp.ones((), jnp.float32), "ax": jnp.zeros_like(array),
        }  # fmt: skip

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The values of `eta` and `mu` for the step after this one."""
        lr = float(group["lr"])
        return {
            "lambd": group["lambd"], "weight_decay": float(group["weight_decay"]),
            "eta": lr / (1 + group["lambd"] * lr * step) ** group["alpha"], "mu": 1 / max(1.0, step - group["t0"]),
        }  # fmt: skip

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient = add_decay(options, n, gradient, param)
        param = param * (1 - n.lambd * state["eta"]) - state["eta"] * gradient
        average = jnp.where(state["mu"] == 1, param, state["ax"] + (param - state["ax"]) * state["mu"])
        return param, {"eta": n.eta, "mu": n.mu, "ax": average}


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal, for matrices (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

    The velocity is replaced by nearly the closest matrix with orthogonal rows or columns, by `ns_steps` Newton-Schulz
    iterations in bfloat16. Weight decay is decoupled. `adjust_lr_fn` "original" multiplies the learning rate by
    `sqrt(max(1, rows / columns))`; "match_rms_adamw" by `0.2 * sqrt(max(rows, columns))`.

    Raises:
        ValueError: a parameter is not a matrix, or `adjust_lr_fn` is unknown.
    """

    STATIC = ("ns_steps", "adjust_lr_fn")

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
        nesterov: bool = True, ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7, ns_steps: int = 5,
        adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
    ):
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f'Muon takes adjust_lr_fn "original" or "match_rms_adamw"; got {adjust_lr_fn!r}')
        if ns_steps >= 100 or len(ns_coefficients) != 3:
            raise ValueError(
                f"Muon takes less than 100 steps and three coefficients; got {ns_steps=} and {ns_coefficients=}"
            )
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        })  # fmt: skip

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds matrices with options of their own."""
        super().add_param_group(param_group)
        for param in self.param_groups[-1]["params"]:
            if param.ndim != 2:
                raise ValueError(f"Muon takes matrices; got a parameter of shape {tuple(param.shape)}")

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """A velocity of 0."""
        return {"momentum_buffer": jnp.zeros_like(array)}

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step; a, b and c are the coefficients of the iteration."""
        lr = float(group["lr"])
        return {
            "lr": lr, "shrink": 1 - lr * group["weight_decay"], "momentum": group["momentum"],
            "weight": 1 - group["momentum"], "eps": group["eps"],
            **dict(zip("abc", map(float, group["ns_coefficients"]), strict=True)),
        }  # fmt: skip

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        velocity = lerp(state["momentum_buffer"], gradient, n.weight)
        change = lerp(gradient, velocity, n.momentum) if options["nesterov"] else velocity
        rows, columns = param.shape
        factor = math.sqrt(max(1, rows / columns))
        if options["adjust_lr_fn"] == "match_rms_adamw":
            factor = 0.2 * math.sqrt(max(rows, columns))
        change = _orthogonalized(change, n, options["ns_steps"]).astype(param.dtype)
        return param * n.shrink - n.lr * factor * change, {"momentum_buffer": velocity}


def _orthogonalized(matrix: jax.Array, n: Any, steps: int) -> jax.Array:
    """Nearly the closest matrix with orthogonal rows or columns.

    Each step maps a singular value s to `a s + b s^3 + c s^5`, which moves all of them towards 1. Optax has the same
    iteration, but it rounds the coefficients to bfloat16, which torch does not.
    """
    x = matrix.astype(jnp.bfloat16)
    x = x.T if matrix.shape[0] > matrix.shape[1] else x
    norm = jnp.sqrt(jnp.sum(jnp.square(x.astype(jnp.float32)))).astype(jnp.bfloat16)
    x = x / jnp.maximum(norm, n.eps.astype(jnp.bfloat16))

    def combined(first: Any, add: jax.Array, second: Any, left: jax.Array, right: jax.Array) -> jax.Array:
        product = jnp.matmul(left, right, preferred_element_type=jnp.float32)
        result = first.astype(jnp.float32) * add.astype(jnp.float32) + second.astype(jnp.float32) * product
        return result.astype(jnp.bfloat16)

    one = jnp.ones((), jnp.float32)
    for _ in range(steps):
        gram = jnp.matmul(x, x.T, preferred_element_type=jnp.float32).astype(jnp.bfloat16)
        x = combined(n.a, x, one, combined(n.b, gram, n.c, gram, gram), x)
    return x.T if matrix.shape[0] > matrix.shape[1] else x
