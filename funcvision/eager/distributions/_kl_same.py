"""Divergences between distributions of one family."""

from typing import Any

import jax.numpy as jnp
from jax.scipy import special

from ... import functional as F
from .._base import as_array
from .bernoulli import Bernoulli, Binomial, Geometric, Poisson
from .beta import Beta, Dirichlet
from .categorical import Categorical, OneHotCategorical
from .continuous_bernoulli import ContinuousBernoulli
from .distribution import sum_rightmost
from .gamma import Exponential, Gamma
from .independent import Independent
from .kl import kl_divergence, lifted_kl, register_kl
from .log_normal import EULER, Gumbel, HalfNormal, Pareto
from .multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    diagonal_matrix,
    half_log_det,
    mahalanobis,
    solve_lower,
)
from .normal import Cauchy, Laplace, Normal
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform

__all__: list[str] = []


@lifted_kl((Bernoulli, Bernoulli))
def _bernoulli(p: Any, q: Any) -> Any:
    of_1 = p.probs * (F.softplus(-q.logits) - F.softplus(-p.logits))
    of_0 = (1 - p.probs) * (F.softplus(q.logits) - F.softplus(p.logits))
    of_1 = jnp.where(p.probs == 0, 0, jnp.where(q.probs == 0, jnp.inf, of_1))
    return of_1 + jnp.where(p.probs == 1, 0, jnp.where(q.probs == 1, jnp.inf, of_0))


@lifted_kl((Beta, Beta))
def _beta(p: Any, q: Any) -> Any:
    total_p, total_q = p.concentration1 + p.concentration0, q.concentration1 + q.concentration0
    log_beta_q = special.gammaln(q.concentration1) + special.gammaln(q.concentration0) - special.gammaln(total_q)
    log_beta_p = special.gammaln(p.concentration1) + special.gammaln(p.concentration0) - special.gammaln(total_p)
    return (
        log_beta_q - log_beta_p
        + (p.concentration1 - q.concentration1) * special.digamma(p.concentration1)
        + (p.concentration0 - q.concentration0) * special.digamma(p.concentration0)
        + (total_q - total_p) * special.digamma(total_p)
    )


@lifted_kl((Dirichlet, Dirichlet))
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    log_beta_a = special.gammaln(a).sum(-1) - special.gammaln(a.sum(-1))
    log_beta_b = special.gammaln(b).sum(-1) - special.gammaln(b.sum(-1))
    expected_log = special.digamma(a) - special.digamma(a.sum(-1, keepdims=True))
    return log_beta_b - log_beta_a + ((a - b) * expected_log).sum(-1)


def _no_fewer_trials(p: Any, q: Any) -> None:
    if (as_array(p.total_count) < as_array(q.total_count)).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")


@lifted_kl((Binomial, Binomial), check=_no_fewer_trials)
def _binomial(p: Any, q: Any) -> Any:
    of_trial = p.probs * (p.logits - q.logits) + jnp.log1p(-p.probs) - jnp.log1p(-q.probs)
    return jnp.where(p.total_count > q.total_count, jnp.inf, p.total_count * of_trial)


@lifted_kl((Categorical, Categorical))
def _categorical(p: Any, q: Any) -> Any:
    terms = p.probs * (p.logits - q.logits)
    return jnp.where(p.probs == 0, 0, jnp.where(q.probs == 0, jnp.inf, terms)).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return kl_divergence(p._categorical, q._categorical)


@lifted_kl((Cauchy, Cauchy))
def _cauchy(p: Any, q: Any) -> Any:
    squares = jnp.square(p.scale + q.scale) + jnp.square(p.loc - q.loc)
    return jnp.log(squares) - jnp.log(4 * p.scale * q.scale)


@lifted_kl((ContinuousBernoulli, ContinuousBernoulli))
def _continuous_bernoulli(p: Any, q: Any) -> Any:
    of_p, of_q = (x.log_normaliser() + jnp.log1p(-x.probs) for x in (p, q))
    return p.mean * (p.logits - q.logits) + of_p - of_q


@lifted_kl((Exponential, Exponential))
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - 1 - jnp.log(ratio)


@lifted_kl((Gamma, Gamma))
def _gamma(p: Any, q: Any) -> Any:
    return (
        q.concentration * jnp.log(p.rate / q.rate)
        + special.gammaln(q.concentration) - special.gammaln(p.concentration)
        + (p.concentration - q.concentration) * special.digamma(p.concentration)
        + (q.rate - p.rate) * (p.concentration / p.rate)
    )


@lifted_kl((Geometric, Geometric))
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - jnp.log1p(-q.probs) / p.probs - q.logits


@lifted_kl((Gumbel, Gumbel))
def _gumbel(p: Any, q: Any) -> Any:
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -jnp.log(ratio) - shift + ratio * EULER + jnp.exp(shift + special.gammaln(1 + ratio)) - (1 + EULER)


@lifted_kl((Laplace, Laplace))
def _laplace(p: Any, q: Any) -> Any:
    ratio, distance = p.scale / q.scale, jnp.abs(p.loc - q.loc)
    return distance / q.scale + ratio * jnp.exp(-distance / p.scale) - jnp.log(ratio) - 1


@lifted_kl((Normal, Normal))
def _normal(p: Any, q: Any) -> Any:
    ratio = jnp.square(p.scale / q.scale)
    return 0.5 * (ratio + jnp.square((p.loc - q.loc) / q.scale) - 1 - jnp.log(ratio))


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return kl_divergence(p.base_dist, q.base_dist)


@lifted_kl((Pareto, Pareto))
def _pareto(p: Any, q: Any) -> Any:
    ratio = q.alpha / p.alpha
    result = q.alpha * jnp.log(p.scale / q.scale) - jnp.log(ratio) + ratio - 1
    return jnp.where(p.scale < q.scale, jnp.inf, result)


@lifted_kl((Poisson, Poisson))
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (jnp.log(p.rate) - jnp.log(q.rate)) - (p.rate - q.rate)


@lifted_kl((Uniform, Uniform))
def _uniform(p: Any, q: Any) -> Any:
    is_outside = (q.low > p.low) | (q.high < p.high)
    return jnp.where(is_outside, jnp.inf, jnp.log((q.high - q.low) / (p.high - p.low)))


def _trace(solved: Any) -> Any:
    """The trace of A A^T."""
    return jnp.square(solved).sum((-2, -1))


def _same_size(p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"the divergence needs vectors of one size; got the event shapes {p.event_shape} and {q.event_shape}"
        )


@lifted_kl((MultivariateNormal, MultivariateNormal))
def _multivariate(p: Any, q: Any) -> Any:
    _same_size(p, q)
    trace = _trace(solve_lower(q._scale_tril, p._scale_tril))
    distance = mahalanobis(q._scale_tril, q.loc - p.loc)
    log_ratio = half_log_det(q._scale_tril) - half_log_det(p._scale_tril)
    return log_ratio + 0.5 * (trace + distance - p.event_shape[0])


@lifted_kl((LowRankMultivariateNormal, MultivariateNormal))
def _low_rank_and_multivariate(p: Any, q: Any) -> Any:
    _same_size(p, q)
    root = diagonal_matrix(jnp.sqrt(p.cov_diag))
    trace = _trace(solve_lower(q._scale_tril, p.cov_factor)) + _trace(solve_lower(q._scale_tril, root))
    distance = mahalanobis(q._scale_tril, q.loc - p.loc)
    log_ratio = 2 * half_log_det(q._scale_tril) - p.log_det()
    return 0.5 * (log_ratio + trace + distance - p.event_shape[0])


def _to_low_rank(p: Any, q: Any, log_det_p: Any, factors: list[Any]) -> Any:
    """The divergence to a normal distribution of low rank. The covariance of p is the sum of A A^T over its factors."""
    _same_size(p, q)
    projection = solve_lower(q.capacitance_tril(), q.cov_factor.mT / q.cov_diag[..., None, :])
    root = jnp.sqrt(q.cov_diag)[..., None]
    trace = sum(_trace(factor / root) - _trace(projection @ factor) for factor in factors)
    return 0.5 * (q.log_det() - log_det_p + trace + q.mahalanobis(q.loc - p.loc) - p.event_shape[0])


@lifted_kl((MultivariateNormal, LowRankMultivariateNormal))
def _multivariate_and_low_rank(p: Any, q: Any) -> Any:
    return _to_low_rank(p, q, 2 * half_log_det(p._scale_tril), [p._scale_tril])


@lifted_kl((LowRankMultivariateNormal, LowRankMultivariateNormal))
def _low_rank(p: Any, q: Any) -> Any:
    root = diagonal_matrix(jnp.sqrt(p.cov_diag))
    return _to_low_rank(p, q, p.log_det(), [p.cov_factor, root])


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("the divergence of Independent needs the same reinterpreted_batch_ndims")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("the divergence of transformed distributions needs the same transforms and events")
    return kl_divergence(p.base_dist, q.base_dist)
