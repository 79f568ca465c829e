"""Oxford 102 Flower (Nilsback and Zisserman 2008, https://www.robots.ox.ac.uk/~vgg/data/flowers/102/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ._formats import read_mat
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["Flowers102"]


class Flowers102(LabelledImages):
    """8,189 photos of 102 flowers.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int. The labels are `.mat` files; reading them
    needs the extra `datasets`.

    Args:
        root: the folder that holds `flowers-102/jpg`, `imagelabels.mat` and `setid.mat`.
        split: "train" (1,020 images), "val" (1,020) or "test" (6,149).
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch into `root/flowers-102` and unpack what is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the names of the classes, in the order of their labels.
        class_to_idx: the label of each name.
        samples: (path, label) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _download_url_prefix: ClassVar = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _file_dict: ClassVar = {
        "image": ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
        "label": ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
        "setid": ("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
    }
    _splits_map: ClassVar = {"train": "trnid", "val": "valid", "test": "tstid"}
    _folder_name = "flowers-102"
    classes: ClassVar = [
        "pink primrose", "hard-leaved pocket orchid", "canterbury bells", "sweet pea", "english marigold",
        "tiger lily", "moon orchid", "bird of paradise", "monkshood", "globe thistle", "snapdragon",
        "colt's foot", "king protea", "spear thistle", "yellow iris", "globe-flower", "purple coneflower",
        "peruvian lily", "balloon flower", "giant white arum lily", "fire lily", "pincushion flower",
        "fritillary", "red ginger", "grape hyacinth", "corn poppy", "prince of wales feathers",
        "stemless gentian", "artichoke", "sweet william", "carnation", "garden phlox", "love in the mist",
        "mexican aster", "alpine sea holly", "ruby-lipped cattleya", "cape flower", "great masterwort",
        "siam tulip", "lenten rose", "barbeton daisy", "daffodil", "sword lily", "poinsettia",
        "bolero deep blue", "wallflower", "marigold", "buttercup", "oxeye daisy", "common dandelion", "petunia",
        "wild pansy", "primula", "sunflower", "pelargonium", "bishop of llandaff", "gaura", "geranium",
        "orange dahlia", "pink-yellow dahlia?", "cautleya spicata", "japanese anemone", "black-eyed susan",
        "silverbush", "californian poppy", "osteospermum", "spring crocus", "bearded iris", "windflower",
        "tree poppy", "gazania", "azalea", "water lily", "rose", "thorn apple", "morning glory",
        "passion flower", "lotus", "toad lily", "anthurium", "frangipani", "clematis", "hibiscus", "columbine",
        "desert-rose", "tree mallow", "magnolia", "cyclamen", "watercress", "canna lily", "hippeastrum",
        "bee balm", "ball moss", "foxglove", "bougainvillea", "camellia", "mallow", "mexican petunia",
        "bromelia", "blanket flower", "trumpet creeper", "blackberry lily",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, self._splits_map)
        super().__init__(root, transform, target_transform, download, loader)
        images = self._path("jpg/")
        numbers = self._integers("setid", self._splits_map[split])
        labels = self._integers("label", "labels")
        if max(numbers, default=0) > len(labels):
            raise ValueError(f"{self._path('setid.mat')} lists images that imagelabels.mat has no label for")
        self.samples = [(os.path.join(images, f"image_{n:05d}.jpg"), labels[n - 1] - 1) for n in numbers]

    def extra_repr(self) -> str:
        """The split."""
        return f"split={self.split}"

    def _integers(self, file: str, variable: str) -> list[int]:
        """A variable of a `.mat` file, a list of positive integers."""
        path = self._path(self._file_dict[file][0])
        found = read_mat(path).get(variable)
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "ui" or (found.size and found.min() < 1):
            raise ValueError(f"{path} holds no positive integers {variable}")
        return found.ravel().tolist()

    def _resources(self) -> Sequence[Resource]:
        resources = []
        for name, md5 in self._file_dict.values():
            contents = {"jpg/": None} if name.endswith(".tgz") else None
            resources.append(Resource(name, [self._download_url_prefix + name], md5=md5, contents=contents))
        return resources
