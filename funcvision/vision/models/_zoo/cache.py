"""Published weights on this machine: downloaded once, converted once, and mapped into memory afterwards.

    $FUNCVISION_HOME/downloads/resnet50-11ad3fa6.pth          as published; removed after conversion
    $FUNCVISION_HOME/weights/resnet50-11ad3fa6.safetensors    its tensors in the axis order in which funcvision computes

A file that torch has downloaded is used from torch's cache. With `FUNCVISION_OFFLINE=1` nothing is downloaded.
"""

import os
import pathlib
import warnings

import numpy as np
from tqdm import tqdm

from ...._home import home
from ... import convert
from ...download import DownloadError, alone_in, check_digest, download_url
from .published import Weights
from .registry import get_model

__all__ = ["tensors"]


def tensors(weights: Weights) -> dict[str, np.ndarray]:
    """The tensors of published weights, by torch's names and in torch's axis order: read-only views of a mapped file.

    Raises:
        DownloadError: the file is not on this machine and could not be downloaded.
    """
    folder = home() / "weights"
    path = (folder / _file(weights)).with_suffix(".safetensors")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            if not path.exists():
                _convert(weights, path)
    return convert.read(path)


def _convert(weights: Weights, path: pathlib.Path) -> None:
    source = _in_torch_hub(weights) or _download(weights)
    model = get_model(weights.model, **weights.options)
    found = convert.match_names(model, convert.read(source), what=f"the tensors of {source.name}")
    axes = {name: one.axes for name, one in model.declarations().items() if name in found}
    total = sum(tensor.nbytes for tensor in found.values())
    what = f"converting {source.name}"
    with tqdm(total=total, unit="B", unit_scale=True, desc=what, disable=None, leave=False) as bar:
        convert.write(path, found, overwrite=True, model_name=weights.model, axes=axes, progress=bar.update)
    if source.parent == _downloads():
        source.unlink()


def _download(weights: Weights) -> pathlib.Path:
    path = _downloads() / _file(weights)
    try:
        download_url(weights.url, path, sha256=weights.sha256)
    except DownloadError as error:
        raise DownloadError(f"{weights.model} {weights.name}: {error}, or into {_torch_hub()}") from error
    return path


def _in_torch_hub(weights: Weights) -> pathlib.Path | None:
    """The checkpoint in torch's cache; None if it is not there, or damaged."""
    path = _torch_hub() / _file(weights)
    if not path.is_file():
        return None
    try:
        check_digest(path, sha256=weights.sha256)
    except ValueError as error:
        warnings.warn(f"{error}; it is not changed, and downloaded to another place", stacklevel=6)
        return None
    return path


def _torch_hub() -> pathlib.Path:
    """The folder in which `torch.hub` keeps checkpoints."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return pathlib.Path(os.environ.get("TORCH_HOME", os.path.join(caches, "torch"))).expanduser() / "hub/checkpoints"


def _downloads() -> pathlib.Path:
    return home() / "downloads"


def _file(weights: Weights) -> str:
    return weights.url.rpartition("/")[2]
