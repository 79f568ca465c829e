"""The distribution of a transformed sample."""

from collections.abc import Sequence
from typing import Any, ClassVar

from .._arithmetic import add, mul, sub
from . import constraints
from ._composite_transforms import ComposeTransform
from ._lifted import either
from ._transform import Transform
from .distribution import Distribution, aligned, drawn, scored, sum_rightmost
from .independent import Independent

__all__ = ["TransformedDistribution"]

_add, _mul, _sub = either(add), either(mul), either(sub)


class TransformedDistribution(Distribution):
    """The distribution of f(x) for x from a base distribution and transforms f.

    Args:
        base_distribution: the distribution of x.
        transforms: a transform, or a list of transforms, the first one first.
        validate_args: whether to check parameters and values.

    >>> from funcvision import eager as torch
    >>> from funcvision.eager.distributions import AffineTransform, SigmoidTransform, Uniform
    >>> logistic = TransformedDistribution(Uniform(0.0, 1.0), [SigmoidTransform().inv, AffineTransform(1.0, 2.0)])
    >>> logistic.log_prob(torch.tensor(1.0)).exp()
    tensor(0.1250)
    """

    leaves = ("base_dist", "transforms")
    arg_constraints: ClassVar[Any] = {}

    def __init__(
        self, base_distribution: Distribution, transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ):
        self.transforms: Any = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(self.transforms, list) or not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or a list of Transforms, but was {transforms}")
        base_shape = tuple(base_distribution.batch_shape + base_distribution.event_shape)
        base_event_dim = len(base_distribution.event_shape)
        transform = ComposeTransform(self.transforms)
        domain_dim, codomain_dim = transform.domain.event_dim, transform.codomain.event_dim
        if len(base_shape) < domain_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {domain_dim}, but got {base_shape}."
            )
        shape = tuple(transform.forward_shape(base_shape))
        expanded = tuple(transform.inverse_shape(shape))
        if base_shape != expanded:
            base_distribution = base_distribution.expand(expanded[: len(expanded) - base_event_dim])
        if domain_dim > base_event_dim:
            base_distribution = Independent(base_distribution, domain_dim - base_event_dim)
        self.base_dist: Any = base_distribution
        cut = len(shape) - max(codomain_dim, base_event_dim + codomain_dim - domain_dim)
        super().__init__(shape[:cut], shape[cut:], validate_args)

    def _expand_parameters(self, new: Any, batch_shape: tuple[int, ...]) -> None:
        super()._expand_parameters(new, batch_shape)
        shape = batch_shape + self.event_shape
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        """The codomain of the last transform."""
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        extra = len(self.event_shape) - support.event_dim
        return constraints.independent(support, extra) if extra > 0 else support

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    def _draw(self, key: Any, shape: tuple[int, ...]) -> Any:
        value = drawn(self.base_dist, key, shape)
        for transform in self.transforms:
            value = transform(value)
        return value

    @scored
    def log_prob(self, value: Any) -> Any:
        event_dim, total = len(self.event_shape), None
        for transform in reversed(self.transforms):
            x = transform.inv(value)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            extra = event_dim - transform.domain.event_dim
            log_det = sum_rightmost(transform.log_abs_det_jacobian(x, value), extra)
            total, value = log_det if total is None else _add(total, log_det), x
        log_prob = sum_rightmost(self.base_dist.log_prob(value), event_dim - len(self.base_dist.event_shape))
        return log_prob if total is None else _sub(log_prob, total)

    def _monotonised(self, value: Any) -> Any:
        """`value`, or 1 - `value` where the transforms are decreasing."""
        sign: Any = 1
        for transform in self.transforms:
            sign = _mul(sign, transform.sign) if not isinstance(transform.sign, int) else sign * transform.sign
        if isinstance(sign, int) and sign == 1:
            return value
        return _add(_mul(sign, _sub(value, 0.5)), 0.5)

    @scored
    def cdf(self, value: Any) -> Any:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        return self._monotonised(self.base_dist.cdf(value))

    @aligned
    def icdf(self, value: Any) -> Any:
        value = self.base_dist.icdf(self._monotonised(value))
        for transform in self.transforms:
            value = transform(value)
        return value
