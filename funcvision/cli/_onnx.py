"""`funcvision export --out FILE.onnx`."""

import os

TYPE_CHECKING = False  # as in typing, whose import takes a tenth of the time of `funcvision --help`
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

__all__ = ["save"]


def save(arguments: "argparse.Namespace", found: "dict[str, Any]", size: "dict[str, Any]",
         batch: "Sequence[int | str]") -> None:
    """Writes an ONNX file and prints its size.

    Args:
        arguments: of the command.
        found: the model, with its arrays and what is known about it.
        size: `image_size` or `prepare_from`.
        batch: numbers of images, and "symbolic" for any number; of several, an ONNX file gets any number.

    Raises:
        ValueError: an option has no meaning for an ONNX file.
    """
    from .. import export

    if arguments.dtype != "float32":
        raise ValueError(f"an ONNX file is float32: leave out --dtype {arguments.dtype}")
    sizes = size.get("image_size")
    if isinstance(sizes, str) or (isinstance(sizes, list) and len(sizes) != 1):
        raise ValueError("an ONNX file is for one size of images: give one --image-size, as 224 or 224x320")
    if isinstance(sizes, list):
        size = {"image_size": sizes[0]}
    export.save_onnx(
        arguments.out, found["model"], found["params"], found["state"], **size, preset=found["preset"],
        batch=batch[0] if len(set(batch)) == 1 else "symbolic",
        categories=found["categories"], name=found["name"], license=found["license"], overwrite=arguments.force,
    )
    print(f"{found['name']}: {os.path.getsize(arguments.out) / 2**20:.1f} MiB -> {arguments.out}")
