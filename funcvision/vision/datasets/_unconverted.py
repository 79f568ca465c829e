"""Opening an image file in its own mode, for masks and other images whose values are no colours."""

import os

from PIL import Image

__all__ = ["open_unconverted"]


def open_unconverted(path: str | os.PathLike[str]) -> Image.Image:
    """The image in a file, in the mode of the file: palettes keep their indices, 16-bit grey keeps its 16 bits.

    Raises:
        ValueError: the file is no image, is damaged, or has more pixels than Pillow opens. The message names it.
        OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            image = Image.open(file)
            return image.copy()
        except MemoryError:
            raise
        except Exception as error:  # on damaged files Pillow's readers raise exceptions of any type
            reason = str(error) or type(error).__name__
            raise ValueError(f"{os.fspath(path)} ({size} bytes) is not an image, or is damaged: {reason}") from error
