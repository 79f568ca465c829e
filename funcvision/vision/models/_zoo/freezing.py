"""Training a part of a model."""

import fnmatch
from collections.abc import Mapping
from typing import Any

__all__ = ["freeze"]


def freeze(params: Mapping[str, Any], *patterns: str) -> dict[str, bool]:
    """A mask for optax: True for parameters whose name matches one of the patterns, "layer1.*".

    Chained last, `optax.masked(optax.set_to_zero(), mask)` leaves these as they are. Running statistics are no
    parameters: in training they move in frozen layers too.

    Raises:
        ValueError: a pattern matches no parameter.

    >>> freeze({"conv1.weight": 0, "fc.weight": 0, "fc.bias": 0}, "conv1.*", "*.bias")
    {'conv1.weight': True, 'fc.weight': False, 'fc.bias': True}
    """
    for pattern in patterns:
        if not fnmatch.filter(params, pattern):
            raise ValueError(f"no parameter matches {pattern!r}; there are {', '.join(list(params)[:8])}, ...")
    return {name: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) for name in params}
