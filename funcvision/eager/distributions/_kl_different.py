"""Divergences between distributions of different families.

Most are the cross entropy -E[log q(x)] less the entropy of p. The cross entropy needs few expectations of p: those of
x, log x and exp(-x).
"""

import functools
import math
from typing import Any

import jax.numpy as jnp
from jax.scipy import special

from .._math import x_log_y as xlogy
from .bernoulli import Bernoulli, Binomial, Poisson
from .beta import Beta
from .continuous_bernoulli import ContinuousBernoulli
from .gamma import Exponential, Gamma
from .kl import lifted_kl
from .log_normal import EULER, Gumbel, Pareto
from .normal import Laplace, Normal
from .uniform import Uniform

__all__: list[str] = []


@functools.singledispatch
def _mean_log(p: Any) -> Any:
    """E[log x]."""
    raise NotImplementedError(type(p).__name__)


@_mean_log.register
def _(p: Beta) -> Any:
    return special.digamma(p.concentration1) - special.digamma(p.concentration1 + p.concentration0)


@_mean_log.register
def _(p: Exponential) -> Any:
    return -EULER - jnp.log(p.rate)


@_mean_log.register
def _(p: Pareto) -> Any:
    return jnp.log(p.scale) + 1 / p.alpha


@_mean_log.register
def _(p: Uniform) -> Any:
    return (xlogy(p.high, p.high) - xlogy(p.low, p.low)) / (p.high - p.low) - 1


@functools.singledispatch
def _mean_exp(p: Any, scale: Any) -> Any:
    """E[exp(-x / scale)]."""
    raise NotImplementedError(type(p).__name__)


@_mean_exp.register
def _(p: Exponential, scale: Any) -> Any:
    return p.rate * scale / (p.rate * scale + 1)


@_mean_exp.register
def _(p: Gamma, scale: Any) -> Any:
    return (1 + 1 / (p.rate * scale)) ** -p.concentration


@_mean_exp.register
def _(p: Normal, scale: Any) -> Any:
    return jnp.exp(-p.loc / scale + 0.5 * jnp.square(p.scale / scale))


@_mean_exp.register
def _(p: Uniform, scale: Any) -> Any:
    return scale / (p.high - p.low) * (jnp.exp(-p.low / scale) - jnp.exp(-p.high / scale))


@lifted_kl(*((p, Normal) for p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Uniform)))
def _to_normal(p: Any, q: Any) -> Any:
    squares = p.variance + jnp.square(p.mean - q.loc)
    return 0.5 * math.log(2 * math.pi) + jnp.log(q.scale) + squares / (2 * jnp.square(q.scale)) - p.entropy()


@lifted_kl((Pareto, Normal))
def _pareto_to_normal(p: Any, q: Any) -> Any:
    return jnp.where(p.alpha <= 2, jnp.inf, _to_normal(p, q))


@lifted_kl((Beta, Exponential), (ContinuousBernoulli, Exponential), (Gamma, Exponential))
def _to_exponential(p: Any, q: Any) -> Any:
    return q.rate * p.mean - jnp.log(q.rate) - p.entropy()


@lifted_kl((Pareto, Exponential))
def _pareto_to_exponential(p: Any, q: Any) -> Any:
    return jnp.where(p.alpha <= 1, jnp.inf, _to_exponential(p, q))


@lifted_kl((Uniform, Exponential))
def _uniform_to_exponential(p: Any, q: Any) -> Any:
    return jnp.where(p.low < 0, jnp.inf, _to_exponential(p, q))


@lifted_kl((Beta, Gamma), (Exponential, Gamma))
def _to_gamma(p: Any, q: Any) -> Any:
    normaliser = special.gammaln(q.concentration) - q.concentration * jnp.log(q.rate)
    return normaliser - (q.concentration - 1) * _mean_log(p) + q.rate * p.mean - p.entropy()


@lifted_kl((Pareto, Gamma))
def _pareto_to_gamma(p: Any, q: Any) -> Any:
    return jnp.where(p.alpha <= 1, jnp.inf, _to_gamma(p, q))


@lifted_kl((Uniform, Gamma))
def _uniform_to_gamma(p: Any, q: Any) -> Any:
    return jnp.where(p.low < 0, jnp.inf, _to_gamma(p, q))


@lifted_kl(*((p, Gumbel) for p in (Exponential, Gamma, Normal, Uniform)))
def _to_gumbel(p: Any, q: Any) -> Any:
    loc = q.loc / q.scale
    return jnp.log(q.scale) + p.mean / q.scale - loc + jnp.exp(loc) * _mean_exp(p, q.scale) - p.entropy()


@lifted_kl((Normal, Laplace))
def _normal_to_laplace(p: Any, q: Any) -> Any:
    shift = p.loc - q.loc
    ratio = shift / p.scale
    spread = math.sqrt(2 / math.pi) * p.scale * jnp.exp(-0.5 * jnp.square(ratio))
    distance = spread + shift * special.erf(math.sqrt(0.5) * ratio)
    return jnp.log(2 * q.scale) + distance / q.scale - p.entropy()


@lifted_kl((Beta, ContinuousBernoulli))
def _to_continuous_bernoulli(p: Any, q: Any) -> Any:
    return -p.mean * q.logits - jnp.log1p(-q.probs) - q.log_normaliser() - p.entropy()


@lifted_kl((Uniform, ContinuousBernoulli))
def _uniform_to_continuous_bernoulli(p: Any, q: Any) -> Any:
    return jnp.where((p.high >= 1) | (p.low <= 0), jnp.inf, _to_continuous_bernoulli(p, q))


@lifted_kl((Uniform, Beta))
def _uniform_to_beta(p: Any, q: Any) -> Any:
    a, b, width = q.concentration1, q.concentration0, p.high - p.low
    low, high = 1 - p.low, 1 - p.high
    mean_log_rest = (xlogy(low, low) - xlogy(high, high)) / width - 1
    log_beta = special.gammaln(a) + special.gammaln(b) - special.gammaln(a + b)
    result = log_beta - (a - 1) * _mean_log(p) - (b - 1) * mean_log_rest - jnp.log(width)
    return jnp.where((p.high > 1) | (p.low < 0), jnp.inf, result)


@lifted_kl((Uniform, Pareto))
def _uniform_to_pareto(p: Any, q: Any) -> Any:
    normaliser = jnp.log(q.alpha) + q.alpha * jnp.log(q.scale)
    return jnp.where(p.low < q.scale, jnp.inf, (q.alpha + 1) * _mean_log(p) - normaliser - p.entropy())


@lifted_kl((Beta, Uniform))
def _beta_to_uniform(p: Any, q: Any) -> Any:
    return jnp.where((q.low > 0) | (q.high < 1), jnp.inf, jnp.log(q.high - q.low) - p.entropy())


@lifted_kl((ContinuousBernoulli, Uniform))
def _continuous_bernoulli_to_uniform(p: Any, q: Any) -> Any:
    return jnp.where((q.low >= 0) | (q.high <= 1), jnp.inf, jnp.log(q.high - q.low) - p.entropy())


@lifted_kl((Bernoulli, Poisson))
def _bernoulli_to_poisson(p: Any, q: Any) -> Any:
    return q.rate - p.probs * jnp.log(q.rate) - p.entropy()


@lifted_kl(
    (Beta, Pareto), (ContinuousBernoulli, Pareto), (Poisson, Bernoulli), (Poisson, Binomial),
    *((p, q) for p in (Exponential, Gamma) for q in (Beta, ContinuousBernoulli, Pareto, Uniform)),
    *((p, q) for p in (Gumbel, Laplace, Normal) for q in (Beta, ContinuousBernoulli, Exponential)),
    *((p, q) for p in (Gumbel, Laplace, Normal) for q in (Gamma, Pareto, Uniform)),
    *((Pareto, q) for q in (Beta, ContinuousBernoulli, Uniform)),
)
def _of_wider_support(p: Any, q: Any) -> Any:
    return jnp.full(p.batch_shape, jnp.inf, getattr(p, p.leaves[-1]).dtype)
