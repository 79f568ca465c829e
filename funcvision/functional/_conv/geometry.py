"""The static part of a convolution: sizes and options, which are hashable and known when it is traced."""

from typing import NamedTuple

__all__ = ["Geometry", "Shape"]

Shape = tuple[int, ...]


class Geometry(NamedTuple):
    """Sizes and options of a convolution. Each tuple has one entry for each spatial axis.

    Attributes:
        size: of the image, in pixels.
        kernel: of the kernel, in elements.
        strides: pixels from one window to the next.
        padding: zeros (before, after) the image; a negative number crops.
        dilation: pixels from one element of the kernel to the next.
        groups: the number of groups of channels.
        devices: that the program is compiled for, over which the batch may be sharded; known in a lowering only. A
            method that processes the batch in blocks gives each device a part of each block.
    """

    size: Shape
    kernel: Shape
    strides: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int
    devices: int = 1

    @property
    def out(self) -> Shape:
        """The size of the output, in pixels."""
        return tuple(
            (n + low + high - reach - 1) // s + 1
            for n, (low, high), reach, s in zip(self.size, self.padding, self.reach, self.strides, strict=True)
        )

    @property
    def reach(self) -> Shape:
        """The distance from the first element of the kernel to its last, in pixels."""
        return tuple(d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))

    def of_a_frame(self) -> "Geometry":
        """Without the first axis."""
        size, kernel, strides, padding, dilation, *rest = self
        return Geometry(size[1:], kernel[1:], strides[1:], padding[1:], dilation[1:], *rest)
