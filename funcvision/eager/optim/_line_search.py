"""A line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Point", "strong_wolfe"]

_DECREASE, _CURVATURE = 1e-4, 0.9  # the constants c1 and c2 of the conditions
_LEAST_BRACKET = 1e-9  # the search ends when the parameters differ by less at the ends of the bracket


class Point(NamedTuple):
    """The loss and its gradient."""

    loss: float
    gradient: jax.Array


class _Trial(NamedTuple):
    """A step size, and the point, and the slope of the loss, that it leads to."""

    t: float
    point: Point
    slope: float

    @property
    def loss(self) -> float:
        return self.point.loss


def strong_wolfe(
    at: Callable[[float], Point], t: float, direction: jax.Array, start: Point, slope: float, *, limit: int
) -> tuple[float, Point, int]:
    """A step size that fulfils the strong Wolfe conditions: sufficient decrease, and a slope near 0.

    Args:
        at: loss and gradient as a function of the step size.
        t: the first step size to try.
        direction: the direction of the search.
        start: loss and gradient at step size 0.
        slope: the derivative of the loss by the step size at 0. It is negative.
        limit: the largest number of iterations.

    Returns:
        (step size, loss and gradient there, number of evaluations).
    """
    search = _Search(at, direction, start, slope, limit)
    ends, is_done = search.bracket(t)
    best = search.zoom(ends) if not is_done else ends[0]
    return best.t, best.point, search.evaluations


class _Search:
    def __init__(self, at: Callable[[float], Point], direction: jax.Array, start: Point, slope: float, limit: int):
        self.at, self.direction, self.limit = at, direction, limit
        self.start = _Trial(0.0, start, slope)
        self.evaluations = self.iterations = 0

    def trial(self, t: float) -> _Trial:
        point = self.at(t)
        self.evaluations += 1
        return _Trial(t, point, float(jnp.dot(point.gradient, self.direction)))

    def is_too_high(self, trial: _Trial) -> bool:
        return trial.loss > self.start.loss + _DECREASE * trial.t * self.start.slope

    def is_flat(self, trial: _Trial) -> bool:
        return abs(trial.slope) <= -_CURVATURE * self.start.slope

    def bracket(self, t: float) -> tuple[list[_Trial], bool]:
        """(two step sizes with an acceptable one between them, False), or (one that is acceptable, True)."""
        before, trial = self.start, self.trial(t)
        while self.iterations < self.limit:
            if self.is_too_high(trial) or (self.iterations > 1 and trial.loss >= before.loss):
                return [before, trial], False
            if self.is_flat(trial):
                return [trial], True
            if trial.slope >= 0:
                return [before, trial], False
            least, most = trial.t + 0.01 * (trial.t - before.t), trial.t * 10
            following = _cubic_minimum(before, trial, least, most)
            before, trial = trial, self.trial(following)
            self.iterations += 1
        return [self.start, trial], False

    def zoom(self, ends: list[_Trial]) -> _Trial:
        """The best step size that is found between the ends of a bracket."""
        low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
        size = float(jnp.max(jnp.abs(self.direction)))
        was_close = False  # whether the trial before was close to an end, so that the bracket shrinks slowly
        while self.iterations < self.limit and abs(ends[1].t - ends[0].t) * size >= _LEAST_BRACKET:
            least, most = sorted(end.t for end in ends)
            t, margin = _cubic_minimum(ends[0], ends[1], least, most), 0.1 * (most - least)
            is_close = min(most - t, t - least) < margin
            if is_close and (was_close or t >= most or t <= least):
                t = most - margin if abs(t - most) < abs(t - least) else least + margin
                is_close = False
            was_close = is_close
            trial = self.trial(t)
            self.iterations += 1
            if self.is_too_high(trial) or trial.loss >= ends[low].loss:
                ends[high] = trial
                low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
                continue
            if self.is_flat(trial):
                return trial
            if trial.slope * (ends[high].t - ends[low].t) >= 0:
                ends[high] = ends[low]
            ends[low] = trial
        return ends[low]


def _cubic_minimum(a: _Trial, b: _Trial, least: float, most: float) -> float:
    """The minimum, between two limits, of the cubic with the losses and slopes of two trials (equation 3.59)."""
    if a.t == b.t:
        return (least + most) / 2
    left, right = (a, b) if a.t < b.t else (b, a)
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = d1**2 - left.slope * right.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = math.sqrt(square)
    divisor = right.slope - left.slope + 2 * d2
    if divisor == 0:
        return (least + most) / 2
    found = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / divisor)
    return min(max(found, least), most)
