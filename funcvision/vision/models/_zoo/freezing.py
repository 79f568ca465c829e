"""Training only some parameters of a model."""

import fnmatch
from collections.abc import Mapping
from typing import Any

__all__ = ["freeze"]


def freeze(params: Mapping[str, Any], *patterns: str) -> dict[str, bool]:
    """A mask for optax: True for the parameters that are frozen.

    `optax.masked(optax.set_to_zero(), mask)`, last in a chain, sets their updates to zero. Running statistics are not
    parameters: training changes them in frozen layers too.

    Args:
        params: the parameters by name.
        patterns: names to freeze, with wildcards as in `fnmatch`, such as "layer1.*".

    Raises:
        ValueError: a pattern matches no parameter.

    >>> freeze({"conv1.weight": 0, "fc.weight": 0, "fc.bias": 0}, "conv1.*", "*.bias")
    {'conv1.weight': True, 'fc.weight': False, 'fc.bias': True}
    """
    for pattern in patterns:
        if not fnmatch.filter(params, pattern):
            raise ValueError(f"no parameter matches {pattern!r}; there are {', '.join(list(params)[:8])}, ...")
    return {name: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) for name in params}
