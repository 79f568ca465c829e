"""Lists the data sets, or opens one: fetches and checks its files, describes it, and draws some of its samples.

Without a name it prints the table of all data sets. With one it opens the data set in the folder that `--root` names,
which verifies the digests of files that are published with one, and prints its length, its classes and the shapes of
its first sample.
"""

import argparse
import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    import numpy as np

    from ..vision.datasets import DatasetInfo

__all__ = ["HELP", "add_arguments", "contact_sheet", "markdown_table", "run"]

HELP = "list the data sets; fetch, check and draw one"

_TITLES = ("name", "task", "images", "classes", "size", "licence", "obtained", "splits")
_EDGE = 192  # pixels: the longer edge to which the image of a sample is resized before it is drawn on
_CAPTION = 40  # characters of a caption that are drawn
_CLASSES = 8  # names of classes that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision datasets`."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a data set, such as cifar10 (default: list all)")
    parser.add_argument("--task", metavar="TASK", help="list the data sets of one task, such as detection")
    parser.add_argument("--markdown", action="store_true", help="print the list as a table for docs/datasets.md")
    parser.add_argument("--root", metavar="FOLDER", help="the folder of the files, as the data set's class takes it")
    parser.add_argument("--split", metavar="SPLIT", help="train, test and so on (default: that of the class)")
    parser.add_argument("--download", action="store_true", help="fetch what is missing, where a program can")
    parser.add_argument(
        "--option", metavar="KEY=VALUE", action="append", default=[],
        help="another argument of the class, such as annFile=instances.json; may be repeated",
    )
    parser.add_argument("--show", type=int, metavar="N", help="write a picture with N samples, evenly spread")
    parser.add_argument("--out", metavar="FILE", help="the picture to write (default: NAME.png)")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table, or opens the data set, describes it and writes the picture."""
    from ..vision import datasets

    if arguments.name is None:
        infos = [datasets.describe(name) for name in datasets.list_datasets(arguments.task)]
        print(markdown_table(infos) if arguments.markdown else _plain_table(infos))
        return
    info = datasets.describe(arguments.name)
    if info.class_name == "DatasetFolder":
        raise ValueError("datasetfolder needs a function as loader, which a command cannot name: see imagefolder")
    if arguments.show is not None and arguments.show < 1:
        raise ValueError(f"--show {arguments.show}: give the number of samples to draw, at least 1")
    try:
        _open(info, arguments)
    except ImportError as error:  # a package of an extra is not installed; the message names the extra
        raise ValueError(str(error)) from error


def _open(info: "DatasetInfo", arguments: argparse.Namespace) -> None:
    """Opens the data set, describes it, and writes the picture."""
    import PIL.Image

    from ..vision import datasets

    if arguments.root is None and info.obtained != "generated":
        raise ValueError(f"{info.name} needs the folder of its files: give --root FOLDER")
    root = [] if arguments.root is None else [arguments.root]
    options = _options(info, arguments.option)
    dataset = datasets.load(info.name, *root, split=arguments.split, download=arguments.download, **options)
    count = len(dataset)
    split = "" if arguments.split is None else f", split {arguments.split}"
    print(f"{info.class_name}: {count:,} samples{split}")
    if dataset.categories is not None:
        shown = ", ".join(dataset.categories[:_CLASSES])
        more = ", ..." if len(dataset.categories) > _CLASSES else ""
        print(f"{len(dataset.categories):,} classes: {shown}{more}")
    if count == 0:
        raise ValueError(f"{info.name} has no samples in {arguments.root}")
    for name, text in _leaves(_sample(dataset, 0)):
        print(f"  {name}: {text}")
    if arguments.show is not None:
        number = min(arguments.show, count)
        picture = PIL.Image.fromarray(contact_sheet(dataset, number))
        path = arguments.out or f"{info.name}.png"
        picture.save(path)
        print(f"{number} samples, {picture.width} x {picture.height} pixels -> {path}")


def contact_sheet(dataset: "Any", n: int = 16) -> "np.ndarray":
    """One picture of several samples, evenly spread over a data set, each with its labels, boxes and masks.

    Args:
        dataset: a data set of `vision.datasets`.
        n: the number of samples.

    Returns:
        uint8 `[height, width, 3]`.
    """
    import math

    import numpy as np

    from ..vision import draw

    indices = np.linspace(0, len(dataset) - 1, n).round().astype(int).tolist()
    pictures = [_drawn(_sample(dataset, index), dataset.categories) for index in indices]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    padded = [
        np.pad(one, ((0, height - one.shape[0]), (0, width - one.shape[1]), (0, 0)), constant_values=255)
        for one in pictures
    ]
    # As many columns as make the picture about square.
    columns = max(1, round(math.sqrt(n * height / width)))
    return draw.make_grid(padded, nrow=columns, padding=4, pad_value=255)


def markdown_table(infos: "Iterable[DatasetInfo]") -> str:
    """The data sets as a table of Markdown, as it is in `docs/datasets.md`."""
    rows = [_TITLES, ["---"] * len(_TITLES), *([f"`{name}`", *cells] for name, *cells in map(_cells, infos))]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _plain_table(infos: "Iterable[DatasetInfo]") -> str:
    """The data sets as aligned columns."""
    rows = [_TITLES, *map(_cells, infos)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _cells(info: "DatasetInfo") -> "Sequence[str]":
    """The row of a data set."""
    images = "" if info.images is None else f"{info.images:,}"
    classes = "" if info.classes is None else f"{info.classes:,}"
    splits = ", ".join(info.splits)
    return info.name, info.task, images, classes, info.size, info.license, info.obtained, splits


def _options(info: "DatasetInfo", texts: "Sequence[str]") -> "dict[str, Any]":
    """The values of the options KEY=VALUE. A value is a Python literal where the class expects no string."""
    import inspect

    from ..vision import datasets

    parameters = inspect.signature(getattr(datasets, info.class_name)).parameters
    options = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--option {text}: write it as KEY=VALUE")
        options[key] = _value(value, is_text=key in parameters and isinstance(parameters[key].default, str))
    return options


def _value(text: str, *, is_text: bool) -> "Any":
    """A literal, or the text itself where that is no literal. For an option that is text, only lists are literals."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return text if is_text and not isinstance(value, list | tuple) else value


def _sample(dataset: "Any", index: int) -> "dict[str, Any]":
    """A sample as a dict of typed leaves. The parts of a sample without a typed form are named by what they are."""
    import numpy as np
    import PIL.Image

    from ..vision import datasets
    from ..vision.datasets._typed import find_adapter
    from ..vision.datasets._typed.registry import image_leaf

    if find_adapter(type(dataset)):
        return datasets.typed(dataset)[index]
    sample = dataset[index]
    parts = [part for part in (sample if isinstance(sample, tuple) else (sample,)) if part is not None]
    images = [image_leaf(part) for part in parts if isinstance(part, PIL.Image.Image | np.ndarray)]
    found: dict[str, Any] = {"image": images[0]} if len(images) == 1 else {}
    if len(images) > 1:
        found = {f"image{number}": image for number, image in enumerate(images, 1)}
    others = [part for part in parts if not isinstance(part, PIL.Image.Image | np.ndarray)]
    return found | {"label": others[0]} if others else found


def _drawn(sample: "dict[str, Any]", categories: "Sequence[str] | None") -> "np.ndarray":
    """A sample as uint8 `[height, width, 3]`. Each image of it is `_EDGE` wide or high."""
    import numpy as np
    import PIL.Image

    from ..vision import draw, transforms
    from ..vision.tv_tensors import Image

    captions = [sample["caption"]] if "caption" in sample else sample.get("captions")
    if captions:
        sample = {**sample, "label": captions[0][:_CAPTION]}
    label = sample.get("label")
    if isinstance(label, tuple):  # the numbers of several ranks, or of several targets
        sample = {**sample, "label": ", ".join(map(str, label))}
    elif label is not None and not isinstance(label, str) and not 0 <= label < len(categories or ()):
        sample = {**sample, "label": str(label)}  # STL10's -1, for images without a label, has no name
    if "disparity" in sample:  # a grey image whose brightest pixel is the nearest
        valid = sample["valid"].array[:, :, None]
        sample = {**sample, "disparity": Image(np.where(valid, sample["disparity"], 0))}
    if "valid" in sample:  # it would cover the images
        sample = {name: leaf for name, leaf in sample.items() if name != "valid"}
    if "flow" not in sample:
        leaf = next(leaf for name, leaf in sample.items() if name in ("image", "image1", "left", "video"))
        way = "nearest" if max(leaf.shape[-3:-1]) < _EDGE else "bilinear"  # small images keep their pixels
        return draw.sample(transforms.Resize(None, way, max_size=_EDGE)(sample), classes=categories)
    # A flow is in pixels, so it is drawn as it is, and the picture resized.
    picture = PIL.Image.fromarray(draw.sample(sample))
    scale = _EDGE / max(sample["image1"].shape[:2])
    return np.asarray(picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))))


def _leaves(sample: "dict[str, Any]") -> "list[tuple[str, str]]":
    """The names and descriptions of the leaves of a sample."""
    import numpy as np

    from ..vision.tv_tensors import TVTensor

    found = []
    for name, leaf in sample.items():
        array = leaf.array if isinstance(leaf, TVTensor) else leaf
        kind = f"{type(leaf).__name__} " if isinstance(leaf, TVTensor) else ""
        is_array = isinstance(array, np.ndarray) and array.ndim > 0
        found.append((name, f"{kind}{array.dtype} {list(array.shape)}" if is_array else repr(leaf)))
    return found
