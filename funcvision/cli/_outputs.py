"""The results of a model for images: JSON on stdout and in a file, and pictures."""

import argparse
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy as np

__all__ = ["add_model_arguments", "add_output_arguments", "picture_paths", "run_lengths", "save_picture", "write_json"]


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments for images and a model with its weights."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="an image file that Pillow reads")
    parser.add_argument(
        "--any-size", action="store_true", help="open images however many pixels they have (default: Pillow's limit)"
    )
    parser.add_argument(
        "--weights", metavar="WEIGHTS", default="DEFAULT",
        help="a torch checkpoint, a .safetensors file, an exported .fv file, or the name of published weights "
        "(default: DEFAULT)",
    )
    parser.add_argument("--model", metavar="NAME", help="the architecture (default: recognised by the tensors)")
    parser.add_argument("--entry", metavar="NAME", help="where in the checkpoint the weights are, as model_ema")
    parser.add_argument(
        "--classes", metavar="FILE", help="the names of the classes, one a line, the background first (default: those "
        "published for the weights)",
    )


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments for the files that are written."""
    parser.add_argument(
        "--out", metavar="FILE", help="the picture to write, such as out.png; for several images a folder"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the results here too, with masks as COCO's run lengths"
    )


def picture_paths(images: "Sequence[str]", out: str) -> list[str]:
    """Where the picture of each image goes: a file for one image; for several, or an existing folder, into a folder.

    Raises:
        ValueError: two pictures would be one file, or it is an image itself.
    """
    if len(images) == 1 and not os.path.isdir(out):
        paths = [out]
    else:
        os.makedirs(out, exist_ok=True)
        stems = [os.path.splitext(os.path.basename(image))[0] for image in images]
        paths = [os.path.join(out, f"{stem}.png") for stem in stems]
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise ValueError(f"--out {out}: two images would be written to {path}, give the images other names")
        if any(os.path.exists(path) and os.path.samefile(path, image) for image in images if os.path.exists(image)):
            raise ValueError(f"--out {out}: {path} is one of the images, and is not replaced")
    return paths


def save_picture(pixels: "np.ndarray", path: str) -> None:
    """Writes a picture, uint8 [height, width, 3], and says so on stderr."""
    from PIL import Image

    Image.fromarray(pixels).save(path)
    print(f"{pixels.shape[1]} x {pixels.shape[0]} pixels -> {path}", file=sys.stderr)


def write_json(results: "Sequence[Mapping[str, Any]]", path: str | None) -> None:
    """Prints the results as a JSON array, one image a line, without masks; and writes them to a file with masks."""
    print(_array([_without_masks(result) for result in results]))
    if path is not None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(_array(results) + "\n")


def _array(results: "Sequence[Mapping[str, Any]]") -> str:
    return "[\n" + ",\n".join(json.dumps(result) for result in results) + "\n]"


def _without_masks(result: "Any") -> "Any":
    if isinstance(result, dict):
        return {name: _without_masks(value) for name, value in result.items() if name != "mask"}
    return [_without_masks(one) for one in result] if isinstance(result, list) else result


def run_lengths(mask: "np.ndarray") -> "dict[str, list[int]]":
    """A mask, bool [height, width], as COCO writes it: the lengths of runs in the order of columns, zeros first."""
    import numpy as np

    pixels = np.concatenate([[False], mask.T.reshape(-1), [False]])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    counts = np.diff(changes, prepend=0).tolist()
    if (rest := mask.size - (int(changes[-1]) if changes.size else 0)) > 0:
        counts.append(rest)
    return {"size": list(mask.shape), "counts": counts}
