"""Rounding of numbers of channels."""

__all__ = ["make_divisible"]


def make_divisible(channels: float, divisor: int = 8, least: int | None = None) -> int:
    """The multiple of `divisor` that is nearest to a number of channels, but at least 0.9 times that number.

    Args:
        channels: the number to round.
        divisor: the result is a multiple of this.
        least: the smallest result; `divisor` by default.

    >>> make_divisible(33), make_divisible(36), make_divisible(11)
    (32, 40, 16)
    """
    rounded = max(least or divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor
