"""A distribution with axes of its batch turned into axes of its event."""

from typing import Any

from . import constraints
from ._lifted import lifted, lifted_property
from .distribution import Distribution, as_size, drawn, scored, sum_rightmost

__all__ = ["Independent"]


class Independent(Distribution):
    """A distribution whose rightmost axes of the batch are axes of the event: `log_prob` is summed over them.

    Args:
        base_distribution: the distribution.
        reinterpreted_batch_ndims: the number of these axes.
        validate_args: whether to check parameters and values.

    >>> from funcvision import eager as torch
    >>> from funcvision.eager.distributions import Normal
    >>> diagonal = Independent(Normal(torch.zeros(3, 2), torch.ones(3, 2)), 1)
    >>> diagonal.batch_shape, diagonal.event_shape, diagonal.log_prob(torch.zeros(2)).shape
    (torch.Size([3]), torch.Size([2]), torch.Size([3]))
    """

    leaves = ("base_dist",)
    options = (*Distribution.options, "reinterpreted_batch_ndims")

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ):
        if reinterpreted_batch_ndims > len(base_distribution.batch_shape):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{reinterpreted_batch_ndims} vs {len(base_distribution.batch_shape)}"
            )
        shape = tuple(base_distribution.batch_shape + base_distribution.event_shape)
        cut = len(base_distribution.batch_shape) - reinterpreted_batch_ndims
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, reinterpreted_batch_ndims
        super().__init__(shape[:cut], shape[cut:], validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new, batch_shape = self._instance(_instance), as_size(batch_shape)
        new.reinterpreted_batch_ndims = self.reinterpreted_batch_ndims
        new.base_dist = self.base_dist.expand(batch_shape + self.event_shape[: self.reinterpreted_batch_ndims])
        return self._expanded(new, batch_shape)

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self) -> bool:
        return not self.reinterpreted_batch_ndims and self.base_dist.has_enumerate_support

    @constraints.dependent_property
    def support(self) -> Any:
        """The support of the base distribution."""
        support = self.base_dist.support
        extra = self.reinterpreted_batch_ndims
        return constraints.independent(support, extra) if extra else support

    @lifted_property
    def mean(self) -> Any:
        return self.base_dist.mean

    @lifted_property
    def mode(self) -> Any:
        return self.base_dist.mode

    @lifted_property
    def variance(self) -> Any:
        return self.base_dist.variance

    def _validate_sample(self, value: Any) -> None:
        if self.base_dist._validate_args:
            self.base_dist._validate_sample(value)

    def _draw(self, key: Any, shape: tuple[int, ...]) -> Any:
        return drawn(self.base_dist, key, shape)

    @scored
    def log_prob(self, value: Any) -> Any:
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    @lifted
    def entropy(self) -> Any:
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand: bool = True) -> Any:
        if self.reinterpreted_batch_ndims:
            raise NotImplementedError("Enumeration over cartesian product is not implemented")
        return self.base_dist.enumerate_support(expand)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
