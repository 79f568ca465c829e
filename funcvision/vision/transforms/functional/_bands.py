"""PIL images band by band, without the loss of their palette."""

from collections.abc import Callable

import PIL.Image

__all__ = ["map_bands", "with_palette"]


def map_bands(function: Callable[[PIL.Image.Image], PIL.Image.Image], image: PIL.Image.Image) -> PIL.Image.Image:
    """The image with a function applied to each of its bands. The result has its mode, palette and `info`."""
    bands = [function(band) for band in image.split()]
    return with_palette(PIL.Image.merge(image.mode, bands) if len(bands) > 1 else bands[0], image)


def with_palette(result: PIL.Image.Image, image: PIL.Image.Image) -> PIL.Image.Image:
    """The result with the palette of an image, its alpha included, and its `info`, which may name a transparent colour.

    The result has the mode of the image, or "L" for an image of mode "P".
    """
    if image.palette is not None:
        result.putpalette(image.palette.copy(), image.palette.mode)
    result.info = dict(image.info)
    return result
