"""What the current mesh of devices demands of an operation."""

import jax
from jax.sharding import AxisType

__all__ = ["has_typed_axes"]


def has_typed_axes() -> bool:
    """Whether the current mesh has explicit or manual axes, which make the sharding a part of each array's type.

    Then each operation needs a rule for the sharding of its result. The operations of `jax.lax` have one. Our
    primitives have none, and a reshape has none where it splits an axis other than the first.
    """
    return any(kind != AxisType.Auto for kind in jax.sharding.get_abstract_mesh().axis_types)
