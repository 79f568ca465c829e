"""Random images of every kind, for the comparison with torchvision."""

import numpy as np
import PIL.Image
import torch

MODES = [("nearest", True), ("nearest-exact", True), ("bilinear", True), ("bicubic", True), ("lanczos", True),
         ("bilinear", False), ("bicubic", False)]
PIL_MODES = ["RGB", "L", "RGBA", "LA", "F", "I", "P", "1", "CMYK"]


def picture(*shape, dtype="uint8", seed=0):
    """Random pixels: bytes, or floats in [0, 1)."""
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return rng.random(shape).astype(dtype)


def pil_picture(mode, height, width):
    image = PIL.Image.fromarray(picture(height, width, 3))
    if mode == "RGBA":
        return PIL.Image.fromarray(picture(height, width, 4))
    if mode == "LA":
        return PIL.Image.fromarray(picture(height, width, 2))
    return image.convert(mode)


def tensor(x):
    return torch.from_numpy(np.moveaxis(np.asarray(x), -1, -3).copy())


def array(x):
    return np.moveaxis(x.numpy(), -3, -1)


def assert_same_pil(ours, theirs):
    assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert ours.getpalette() == theirs.getpalette()
