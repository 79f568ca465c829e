"""L-BFGS, which evaluates the loss several times in a step."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from .._base import as_array
from .._graph import enable_grad, no_grad
from ..tensor import Tensor
from ._line_search import Point, strong_wolfe
from .optimizer import Optimizer

__all__ = ["LBFGS"]

_LEAST_CURVATURE = 1e-10  # a pair of steps and changes of the gradient with a smaller product is not stored


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal 1989): a quasi-Newton method with the curvature along the last steps.

    `step(closure)` evaluates the loss and its gradient several times. It takes one group of parameters. It runs on all
    parameters as one vector, and is not compiled as a whole.

    Args:
        params: the parameters.
        lr: the step size, or the first one that the line search tries.
        max_iter: the largest number of iterations in one call of `step`.
        max_eval: the largest number of evaluations in one call of `step`; 1.25 times `max_iter` by default.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when the parameters or the loss change by less.
        history_size: the number of steps whose curvature is stored.
        line_search_fn: "strong_wolfe", or None for steps of fixed size.

    Raises:
        ValueError: there are several groups.
    """

    def __init__(
        self, params: Iterable[Any], lr: Any = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: Literal["strong_wolfe"] | None = None,
    ):
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS takes one group of parameters, because it treats all of them as one vector")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes up to `max_iter` iterations.

        Args:
            closure: a function that sets the gradients to 0, computes the loss, calls backward and returns the loss.

        Returns:
            The loss before the step.

        Raises:
            TypeError: no `closure` is given.
            RuntimeError: `line_search_fn` is unknown.
        """
        if closure is None:
            raise TypeError("LBFGS evaluates the loss several times: call step(closure)")
        group = self.param_groups[0]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(f'line_search_fn must be "strong_wolfe" or None; got {search!r}')
        with no_grad():
            return self._iterate(_Objective(group["params"], closure), group, float(group["lr"]))

    def _iterate(self, objective: "_Objective", group: dict[str, Any], lr: float) -> Any:
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss, current = objective.evaluate()
        evaluations, iterations = 1, 0
        state["func_evals"] += 1
        if _largest(current.gradient) <= group["tolerance_grad"]:
            return first_loss
        while iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            direction = _direction(state, current.gradient, group["history_size"])
            before = current.loss
            state["prev_flat_grad"], state["prev_loss"] = Tensor.wrap(current.gradient), before
            t = lr if state["n_iter"] > 1 else min(1.0, 1.0 / float(jnp.sum(jnp.abs(current.gradient)))) * lr
            state["d"], state["t"] = Tensor.wrap(direction), t
            slope = _dot(current.gradient, direction)
            if slope > -group["tolerance_change"]:
                break
            start, used = objective.read(), 0
            if group["line_search_fn"] is not None:
                along = objective.along(start, direction)
                left = group["max_eval"] - evaluations
                t, current, used = strong_wolfe(along, t, direction, current, slope, limit=left)
                state["t"] = t
                objective.write(start, t, direction)
            else:
                objective.write(start, t, direction)
                if iterations != group["max_iter"]:
                    used, current = 1, objective.evaluate()[1]
            evaluations += used
            state["func_evals"] += used
            is_over = iterations == group["max_iter"] or evaluations >= group["max_eval"]
            is_over = is_over or _largest(current.gradient) <= group["tolerance_grad"]
            is_over = is_over or _largest(direction) * abs(t) <= group["tolerance_change"]
            if is_over or abs(current.loss - before) < group["tolerance_change"]:
                break
        return first_loss


class _Objective:
    """The loss as a function of all parameters, as one vector."""

    def __init__(self, params: list[Tensor], closure: Callable[[], Any]):
        self.params, self.closure = params, closure

    def evaluate(self) -> tuple[Any, Point]:
        """(what the closure returns, loss and gradient)."""
        with enable_grad():
            loss = self.closure()
        gradients = [
            jnp.zeros_like(as_array(param)) if param.grad is None else as_array(param.grad) for param in self.params
        ]
        return loss, Point(float(loss), _flattened(gradients))

    def read(self) -> list[jax.Array]:
        """The values of the parameters."""
        return [as_array(param) for param in self.params]

    def write(self, start: list[jax.Array], t: float, direction: jax.Array) -> None:
        """Sets the parameters to `start + t * direction`."""
        for param, array in zip(self.params, _moved(start, t, direction), strict=True):
            param.array = array

    def along(self, start: list[jax.Array], direction: jax.Array) -> Callable[[float], Point]:
        """Loss and gradient at `start + t * direction`, as a function of t."""

        def at(t: float) -> Point:
            self.write(start, t, direction)
            return self.evaluate()[1]

        return at


def _direction(state: dict[str, Any], gradient: jax.Array, history_size: int) -> jax.Array:
    """The negative gradient times the approximate inverse of the Hessian. Stores the curvature along the last step."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        return -gradient
    changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]  # torch's names
    change = gradient - as_array(state["prev_flat_grad"])
    last = as_array(state["d"]) * jnp.asarray(float(state["t"]), gradient.dtype)
    product = _dot(change, last)
    if product > _LEAST_CURVATURE:
        if len(changes) == history_size:
            for history in (changes, steps, inverses):
                history.pop(0)
        changes.append(Tensor.wrap(change))
        steps.append(Tensor.wrap(last))
        inverses.append(Tensor.wrap(jnp.asarray(1 / product, gradient.dtype)))
        state["H_diag"] = Tensor.wrap(jnp.asarray(product / _dot(change, change), gradient.dtype))
    weights: list[jax.Array] = []
    direction = -gradient
    pairs = [tuple(map(as_array, pair)) for pair in zip(changes, steps, inverses, strict=True)]
    for change, last, inverse in reversed(pairs):
        weight, direction = _without(direction, last, change, inverse)
        weights.append(weight)
    direction = direction * jnp.asarray(float(state["H_diag"]), gradient.dtype)
    for (change, last, inverse), weight in zip(pairs, reversed(weights), strict=True):
        direction = _within(direction, last, change, inverse, weight)
    state["al"] = [Tensor.wrap(weight) for weight in reversed(weights)] + [None] * (history_size - len(weights))
    return direction


@jax.jit
def _without(q: jax.Array, step: jax.Array, change: jax.Array, inverse: jax.Array) -> tuple[jax.Array, jax.Array]:
    weight = jnp.dot(step, q) * inverse
    return weight, q - weight * change


@jax.jit
def _within(r: jax.Array, step: jax.Array, change: jax.Array, inverse: jax.Array, weight: jax.Array) -> jax.Array:
    return r + (weight - jnp.dot(change, r) * inverse) * step


@jax.jit
def _flattened(arrays: list[jax.Array]) -> jax.Array:
    """All arrays as one vector of real numbers."""
    parts = [jnp.stack([a.real, a.imag], -1) if jnp.iscomplexobj(a) else a for a in arrays]
    return jnp.concatenate([part.ravel() for part in parts])


@jax.jit
def _moved(arrays: list[jax.Array], t: Any, direction: jax.Array) -> list[jax.Array]:
    """The arrays plus `t` times the parts of a vector."""
    moved, end = [], 0
    for array in arrays:
        is_complex = jnp.iscomplexobj(array)
        begin, end = end, end + array.size * (1 + is_complex)
        part = direction[begin:end]
        if is_complex:
            part = part.reshape(*array.shape, 2)
            part = jax.lax.complex(part[..., 0], part[..., 1])
        moved.append(array + (part.reshape(array.shape) * jnp.asarray(t).astype(direction.dtype)).astype(array.dtype))
    return moved


def _dot(a: jax.Array, b: jax.Array) -> float:
    return float(jnp.dot(a, b))


def _largest(x: jax.Array) -> float:
    return float(jnp.max(jnp.abs(x)))
