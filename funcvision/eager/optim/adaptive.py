"""Optimizers that scale the step of each element, other than Adam and its variants."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from ._formulas import add_decay, lerp, mean_of_squares
from ._update import Options, State
from .optimizer import Optimizer

__all__ = ["Adadelta", "Adafactor", "Adagrad", "RMSprop", "Rprop"]


def _zeros(array: jax.Array, *names: str) -> dict[str, jax.Array]:
    """The count of steps, and arrays of 0."""
    return {"step": jnp.zeros((), jnp.float32), **{name: jnp.zeros_like(array) for name in names}}


class RMSprop(Optimizer):
    """Divides the gradient by its running root mean square (Hinton 2012), then adds momentum.

    With `centered` the divisor is the running standard deviation.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """Means and a velocity of 0, as far as the options need them."""
        momentum = ("momentum_buffer",) if group["momentum"] != 0 else ()
        return _zeros(array, "square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step."""
        return {
            "lr": float(group["lr"]), "alpha": group["alpha"], "weight": 1 - group["alpha"], "eps": group["eps"],
            "weight_decay": float(group["weight_decay"]), "momentum": group["momentum"],
        }  # fmt: skip

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state. Like torch, it adds `eps` to the root."""
        gradient = add_decay(options, n, gradient, param)
        squares = mean_of_squares(state["square_avg"], gradient, n.alpha, n.weight)
        new, variance = {"square_avg": squares}, squares
        if options["centered"]:
            mean = new["grad_avg"] = lerp(state["grad_avg"], gradient, n.weight)
            # As with torch's fused product, a finite mean leaves an infinity of the squares.
            is_infinite = jnp.isinf(squares) & jnp.isfinite(mean)
            variance = jnp.where(is_infinite, squares, squares - mean * mean)
        root = jnp.sqrt(variance) + n.eps
        if not options.uses("momentum"):
            return param - n.lr * gradient / root, new
        new["momentum_buffer"] = state["momentum_buffer"] * n.momentum + gradient / root
        return param - n.lr * new["momentum_buffer"], new


class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of all squared gradients.

    See Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, fused: bool | None = None,
    ):
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        })  # fmt: skip

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own. As in torch, their states exist before the first step."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for param in group["params"]:
            self._complete(group, param, Options.of(self.defaults, group, self.STATIC))

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """A sum that begins at `initial_accumulator_value`."""
        return _zeros(array) | {"sum": jnp.full_like(array, group["initial_accumulator_value"])}

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step, with its learning rate."""
        rate = float(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        return {"rate": rate, "eps": group["eps"], "weight_decay": float(group["weight_decay"])}

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient = add_decay(options, n, gradient, param)
        sum_of_squares = state["sum"] + gradient * gradient
        return param - n.rate * gradient / (jnp.sqrt(sum_of_squares) + n.eps), {"sum": sum_of_squares}


class Adadelta(Optimizer):
    """Divides by the running root mean square of gradients and multiplies by that of steps (Zeiler 2012).

    See https://arxiv.org/abs/1212.5701.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
        foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """Two running means of squares, which begin at 0."""
        return _zeros(array, "square_avg", "acc_delta")

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step."""
        decay = float(group["weight_decay"])
        return {"lr": float(group["lr"]), "rho": group["rho"], "eps": group["eps"], "weight_decay": decay}

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        gradient = add_decay(options, n, gradient, param)
        means = optax.ScaleByAdaDeltaState(e_g=state["square_avg"], e_x=state["acc_delta"])
        change, new = optax.scale_by_adadelta(n.rho, n.eps).update(gradient, means)
        squares, changes = jax.tree.leaves(new)
        return param - n.lr * change, {"square_avg": squares, "acc_delta": changes}


class Rprop(Optimizer):
    """Steps whose sizes depend on the signs of successive gradients only (Riedmiller and Braun 1993).

    `etas` are the factors of a step size after a change of sign and without one; `step_sizes` are its limits.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ):
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Rprop takes 0 < etas[0] < 1 < etas[1]; got {etas=}")
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """The gradient of the step before, and the step sizes, which begin at `lr`."""
        lr = float(group["lr"])
        value = complex(lr, lr) if jnp.iscomplexobj(array) else lr
        return _zeros(array, "prev") | {"step_size": jnp.full_like(array, value)}

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step."""
        (minus, plus), (least, most) = group["etas"], group["step_sizes"]
        return {"minus": minus, "plus": plus, "least": least, "most": most}

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state. An element whose gradient has changed its sign does not move."""
        agreement = gradient * state["prev"]
        factor = jnp.where(agreement > 0, n.plus, jnp.where(agreement < 0, n.minus, 1))
        size = jnp.clip(state["step_size"] * factor, n.least, n.most)
        gradient = jnp.where(agreement < 0, 0, gradient)
        sign = jnp.where(gradient > 0, 1, jnp.where(gradient < 0, -1, 0))  # 0 for NaN, as in torch
        return param - sign * size, {"prev": gradient, "step_size": size}


class Adafactor(Optimizer):
    """Scales by second moments that are stored as products of row and column means (Shazeer and Stern 2018).

    See https://arxiv.org/abs/1804.04235. The step is relative to the root mean square of the parameter, and its own
    root mean square is clipped to `d`.

    Args:
        params: the parameters.
        lr: the largest relative step size; after `1 / lr^2` steps it falls.
        beta2_decay: the second moment of step t gives the weight `t^beta2_decay` to the new gradient.
        eps: (the least root of a second moment, by default that of the dtype; the least size of a parameter).
        d: the limit of the root mean square of a step.
        weight_decay: decoupled weight decay.
        foreach: has no effect.
        maximize: maximise the objective.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1e-2, beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0, *,
        foreach: bool | None = None, maximize: bool = False,
    ):
        if beta2_decay > 0:
            raise ValueError(f"Adafactor takes a beta2_decay of at most 0; got {beta2_decay}")
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize,
        })  # fmt: skip

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """Means over rows and columns for arrays with at least two axes, one mean for each element of others."""
        if jnp.iscomplexobj(array):
            raise RuntimeError("Adafactor does not support complex parameters")
        if array.ndim < 2:
            return _zeros(array, "variance")
        *others, rows, columns = array.shape
        row, column = (jnp.zeros(shape, array.dtype) for shape in ((*others, rows, 1), (*others, 1, columns)))
        return _zeros(array) | {"row_var": row, "col_var": column}

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers of a step. An `eps` of -1 stands for that of the dtype."""
        lr, (eps1, eps2) = float(group["lr"]), group["eps"]
        return {
            "weight": step ** group["beta2_decay"], "rate": min(lr, 1 / math.sqrt(step)), "d": group["d"],
            "shrink": 1 - lr * group["weight_decay"], "eps1": -1.0 if eps1 is None else eps1, "eps2": eps2,
        }  # fmt: skip

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state."""
        eps = jnp.where(n.eps1 < 0, jnp.finfo(n.dtype).eps, n.eps1)
        rate = _larger(_root_mean_square(param), n.eps2) * n.rate
        param = param * n.shrink if options.uses("weight_decay") else param
        squares = gradient * gradient
        if gradient.ndim < 2:
            variance = lerp(state["variance"], squares, n.weight)
            new = {"variance": variance}
        else:
            row = lerp(state["row_var"], squares.mean(-1, keepdims=True), n.weight)
            column = lerp(state["col_var"], squares.mean(-2, keepdims=True), n.weight)
            variance = row * column / jnp.maximum(row.mean(-2, keepdims=True), eps)
            new = {"row_var": row, "col_var": column}
        change = gradient * jax.lax.rsqrt(jnp.maximum(variance, eps * eps))
        return param - rate / _larger(_root_mean_square(change) / n.d, 1) * change, new


def _root_mean_square(x: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.mean(x * x))


def _larger(x: jax.Array, least: Any) -> jax.Array:
    """The larger of two numbers; `least` where `x` is NaN, so that a NaN in one element does not reach the others."""
    return jnp.where(x > least, x, least)
