"""The mesh of devices in use."""

import jax
from jax.sharding import AxisType

__all__ = ["has_typed_axes"]


def has_typed_axes() -> bool:
    """Whether it has explicit or manual axes: then every operation needs a rule for what its types say of them.

    Those of lax have one; our primitives have none, and reshaping has none where another axis than the first is split.
    """
    return any(kind != AxisType.Auto for kind in jax.sharding.get_abstract_mesh().axis_types)
