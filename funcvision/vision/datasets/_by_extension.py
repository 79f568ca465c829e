"""Files in the memory, decoded as their extensions say."""

import json
from collections.abc import Callable
from typing import Any, Literal

from ..io import decode_image, open_image
from ._formats import read_npy

__all__ = ["Images", "decode_file"]

Images = Literal["pil", "array", "bytes"]
_IMAGES = {"jpg", "jpeg", "png", "webp", "bmp", "gif", "ppm", "pgm", "tif", "tiff"}
_OTHERS: dict[str, Callable[[bytes], Any]] = {
    "cls": lambda content: int(content), "json": json.loads, "npy": read_npy,
    "txt": lambda content: content.decode("utf-8"), "text": lambda content: content.decode("utf-8"),
}  # fmt: skip


def decode_file(extension: str, content: bytes, images: Images) -> Any:
    """What a file holds: an image, an int (cls), JSON, a numpy array (npy) or text (txt). Others stay bytes.

    Args:
        extension: all that follows the first dot of its name; what follows the last dot decides.
        content: the file.
        images: whether images become PIL images of mode RGB or arrays `[height, width, 3]`, or stay bytes.

    Raises:
        ValueError: the file is damaged.
    """
    kind = extension.rsplit(".", 1)[-1]
    if kind in _IMAGES:
        if images == "bytes":
            return content
        return open_image(content) if images == "pil" else decode_image(content, "RGB")
    if kind not in _OTHERS:
        return content
    try:
        return _OTHERS[kind](content)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error
