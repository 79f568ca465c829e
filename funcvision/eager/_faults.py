"""Errors of jax about axes and shapes, in the classes in which torch raises them."""

import re

__all__ = ["in_torchs_class"]

_OF_AXES = re.compile(r"out of bounds for array of dimension|is not an axis of an array|empty sequence")
_OF_SHAPES = re.compile(
    r"broadcast|cannot reshape|isn't a permutation|repeated axis|contracting dimensions|Cannot (concatenate|stack)|"
    r"dimensions must match|All input arrays must have|zero-size array"
)


def in_torchs_class(error: Exception) -> Exception | None:
    """An IndexError for an axis that is not there, a RuntimeError for shapes that do not fit; None for other errors."""
    message = str(error)
    if isinstance(error, IndexError):
        return None
    if _OF_AXES.search(message):
        return IndexError(message)
    return RuntimeError(message) if _OF_SHAPES.search(message) else None
