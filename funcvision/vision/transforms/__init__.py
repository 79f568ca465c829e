"""Transforms of images, in two places, with torchvision's v2 names and numbers.

One class runs in two places. On PIL images and numpy arrays it runs on the host, where no jax operation takes part, so
it may run in the threads or processes of a loader; PIL images stay PIL images until `ToImage`, arrays stay numpy's. On
jax arrays it is a pure function for jit and vmap. An array is `[..., height, width, channels]` in both.

Randomness is an explicit key: `transform(sample, key=key)`, with an int or a numpy Generator on the host and a jax key
on the device. The same key gives the same result. `transform.batch(images, key=key)` augments a batch on the device
with one key per image.

A sample is one image, or a tuple, list or dict. What is an image in it is said, not guessed:

- a sample that is one PIL image or one array is an image;
- inside a tuple, list or dict, PIL images and `Image(array)` are images, and everything else (labels, other arrays)
  passes through as it is. A sample without any image is an error.

An image keeps its place: the outermost transform finds the images once, and puts what becomes of them where they were.
So a `Compose` with `ToImage` turns `(PIL image, label)` into `(array, label)`, ready for a loader to collate, and an
`Image` stays an `Image`.

>>> import PIL.Image
>>> import jax.numpy as jnp
>>> from funcvision.vision import transforms
>>> prepare = transforms.Compose([
...     transforms.RandomResizedCrop(64), transforms.RandomHorizontalFlip(),
...     transforms.ToImage(), transforms.ToDtype(jnp.float32, scale=True),
... ])
>>> image, label = prepare((PIL.Image.new("RGB", (100, 80)), 3), key=0)
>>> image.shape, image.dtype, label
((64, 64, 3), dtype('float32'), 3)
"""

from . import functional, presets
from .conversion import Normalize, ToDtype, ToImage
from .geometry import CenterCrop, RandomCrop, RandomHorizontalFlip, RandomResizedCrop, Resize
from .sample import Image
from .transform import Compose, RandomTransform, Transform

__all__ = [
    "functional", "presets",
    "Image", "Transform", "RandomTransform", "Compose",
    "Resize", "CenterCrop", "RandomCrop", "RandomResizedCrop", "RandomHorizontalFlip",
    "ToImage", "ToDtype", "Normalize",
]
