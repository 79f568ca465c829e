"""What is static in a convolution."""

from typing import NamedTuple

__all__ = ["Geometry", "Shape"]

Shape = tuple[int, ...]


class Geometry(NamedTuple):
    """Sizes of the image and of the kernel, and how one moves over the other; an entry for each spatial axis."""

    size: Shape
    kernel: Shape
    strides: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int

    @property
    def out(self) -> Shape:
        """The size of the output."""
        return tuple(
            (n + low + high - reach - 1) // s + 1
            for n, (low, high), reach, s in zip(self.size, self.padding, self.reach, self.strides, strict=True)
        )

    @property
    def reach(self) -> Shape:
        """From the first element of the kernel to its last, in pixels."""
        return tuple(d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))
