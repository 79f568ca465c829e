"""Augmentation of 64 photos: two training pipelines and twelve operations, against five libraries.

    python -m benchmarks transforms

"batch" is one compiled call for all images. The others take one image at a time, but for kornia, augmax and dm_pix,
which take the batch. What is timed includes the drawing of random numbers. funcvision and torchvision are first given
the same random numbers, and the results are compared by the means of blocks of pixels, because rounding decides which
pixel a warp takes; for SSD, whose boxes depend on what is drawn, nothing is compared here. albumentations, kornia,
augmax and dm_pix define their operations differently, so their results are not compared. Those that cannot be imported
are left out.

The batched pipelines start with images of one size and end with images of one size, so torchvision's SSD gets a
`Resize` more, where funcvision's crops have a size. The pipelines on PIL images start with files for ImageNet and with
decoded photos for SSD.

The photos are those in `../shared/data/imagenet-samples`; without them, drawn images are used.
"""

import functools
import importlib.util
import io
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .harness import Contender, Prepared, Workers, compare

COUNT, SIDE, DECODED, CHECKED = 64, 224, 256, 8
PHOTOS = pathlib.Path(__file__).parents[2] / "shared" / "data" / "imagenet-samples"
FILL = (123, 117, 104)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

OPERATIONS: dict[str, dict[str, Any]] = {
    "ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "GaussianBlur": {"kernel_size": 5, "sigma": (0.1, 2.0)},
    "ElasticTransform": {},
    "RandomAffine": {
        "degrees": 10, "translate": (0.1, 0.1), "scale": (0.8, 1.2), "shear": 10, "interpolation": "bilinear",
    },
    "RandomPerspective": {"p": 1.0},
    "RandomResizedCrop": {"size": SIDE},
    "RandomRotation": {"degrees": 30, "interpolation": "bilinear"},
    "RandomEqualize": {"p": 1.0},
    "RandomAutocontrast": {"p": 1.0},
    "RandomPosterize": {"bits": 4, "p": 1.0},
    "RandomAdjustSharpness": {"sharpness_factor": 2.0, "p": 1.0},
    "GaussianNoise": {},
}
"""Names and options, the same for funcvision and torchvision."""

ALBUMENTATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ColorJitter": ("ColorJitter", {
        "brightness": (0.6, 1.4), "contrast": (0.6, 1.4), "saturation": (0.6, 1.4), "hue": (-0.1, 0.1),
    }),
    "GaussianBlur": ("GaussianBlur", {"blur_limit": (5, 5), "sigma_limit": (0.1, 2.0)}),
    "ElasticTransform": ("ElasticTransform", {"alpha": 50, "sigma": 5}),
    "RandomAffine": ("Affine", {
        "rotate": (-10, 10), "translate_percent": (-0.1, 0.1), "scale": (0.8, 1.2), "shear": (-10, 10),
    }),
    "RandomPerspective": ("Perspective", {"scale": (0.05, 0.25)}),
    "RandomResizedCrop": ("RandomResizedCrop", {"size": (SIDE, SIDE)}),
    "RandomRotation": ("Rotate", {"limit": (-30, 30)}),
    "RandomEqualize": ("Equalize", {"mode": "pil"}),
    "RandomAutocontrast": ("AutoContrast", {"method": "pil"}),
    "RandomPosterize": ("Posterize", {"num_bits": 4}),
    "RandomAdjustSharpness": ("Sharpen", {}),
    "GaussianNoise": ("GaussNoise", {"std_range": (0.1, 0.1)}),
}

KORNIA: dict[str, tuple[str, dict[str, Any]]] = {
    "ColorJitter": ("ColorJitter", {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}),
    "GaussianBlur": ("RandomGaussianBlur", {"kernel_size": (5, 5), "sigma": (0.1, 2.0)}),
    "ElasticTransform": ("RandomElasticTransform", {"kernel_size": (41, 41), "sigma": (5.0, 5.0), "alpha": (0.4, 0.4)}),
    "RandomAffine": ("RandomAffine", {"degrees": 10.0, "translate": (0.1, 0.1), "scale": (0.8, 1.2), "shear": 10.0}),
    "RandomPerspective": ("RandomPerspective", {}),
    "RandomResizedCrop": ("RandomResizedCrop", {"size": (SIDE, SIDE)}),
    "RandomRotation": ("RandomRotation", {"degrees": 30.0}),
    "RandomEqualize": ("RandomEqualize", {}),
    "RandomAutocontrast": ("RandomAutoContrast", {}),
    "RandomPosterize": ("RandomPosterize", {"bits": (4.0, 4.0)}),
    "RandomAdjustSharpness": ("RandomSharpness", {"sharpness": 2.0}),
    "GaussianNoise": ("RandomGaussianNoise", {"std": 0.1}),
}

AUGMAX: dict[str, tuple[str, dict[str, Any]]] = {
    "ColorJitter": ("ColorJitter", {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 1.0}),
    "GaussianBlur": ("GaussianBlur", {"sigma": 1, "p": 1.0}),
    "ElasticTransform": ("Warp", {}),
    "RandomResizedCrop": ("RandomSizedCrop", {"width": SIDE, "height": SIDE}),
    "RandomRotation": ("Rotate", {}),
}


def dm_pix_operation(name: str) -> Callable[[Any, Any], Any]:
    """A function of a key and a float image."""
    import dm_pix
    import jax

    def jitter(key: Any, image: Any) -> Any:
        keys = jax.random.split(key, 4)
        image = dm_pix.random_brightness(keys[0], image, 0.4)
        image = dm_pix.random_contrast(keys[1], image, 0.6, 1.4)
        image = dm_pix.random_saturation(keys[2], image, 0.6, 1.4)
        return dm_pix.random_hue(keys[3], image, 0.1)

    def rotate(key: Any, image: Any) -> Any:
        return dm_pix.rotate(image, jax.random.uniform(key, (), minval=-0.5, maxval=0.5), mode="constant")

    return {
        "ColorJitter": jitter,
        "GaussianBlur": lambda key, image: dm_pix.gaussian_blur(image, 0.1 + 1.9 * jax.random.uniform(key), 5),
        "ElasticTransform": lambda key, image: dm_pix.elastic_deformation(key, image, 50.0, 5.0),
        "RandomRotation": rotate,
    }[name]


DM_PIX = ("ColorJitter", "GaussianBlur", "ElasticTransform", "RandomRotation")
PEERS: dict[str, Any] = {"albumentations": ALBUMENTATIONS, "kornia": KORNIA, "augmax": AUGMAX, "dm_pix": DM_PIX}


# Images


@functools.cache
def files() -> list[bytes]:
    """JPEG files: photos, or drawn images with smooth shapes and some noise."""
    import PIL.Image

    paths = sorted(PHOTOS.glob("*.JPEG"))[:COUNT]
    if len(paths) == COUNT:
        return [path.read_bytes() for path in paths]
    result = []
    for seed in range(COUNT):
        rng = np.random.default_rng(seed)
        y, x = (np.linspace(0, rng.uniform(3, 12), n) for n in (375, 500))
        smooth = 100 * np.sin(np.add.outer(y * y, x))[..., None] + rng.uniform(100, 150, 3)
        image = PIL.Image.fromarray(np.clip(smooth + rng.uniform(-20, 20, (375, 500, 3)), 0, 255).astype(np.uint8))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        result.append(file.getvalue())
    return result


@functools.cache
def pil_images(side: int | None = None) -> list[Any]:
    """The decoded files; with a side, resized to a square."""
    import PIL.Image

    images = [PIL.Image.open(io.BytesIO(file)).convert("RGB") for file in files()]
    return images if side is None else [image.resize((side, side)) for image in images]


def arrays(side: int) -> np.ndarray:
    return np.stack([np.asarray(image) for image in pil_images(side)])


def blocks(image: Any) -> np.ndarray:
    """The means of blocks of 16 x 16 pixels, of an array with the channels last."""
    image = np.asarray(image, np.float64)
    height, width = (n // 16 * 16 for n in image.shape[-3:-1])
    cut = image[..., :height, :width, :]
    return cut.reshape(*cut.shape[:-3], height // 16, 16, width // 16, 16, cut.shape[-1]).mean((-4, -2))


def noise_of(image: Any) -> np.ndarray:
    """What two libraries can agree on whose noise differs."""
    image = np.asarray(image, np.float64)
    return np.array([image.mean(), image.std()])


# Single operations


def ours(name: str) -> Any:
    from funcvision.vision import transforms

    return getattr(transforms, name)(**OPERATIONS[name])


def host_params(name: str) -> list[Any]:
    """What funcvision draws for the images that are compared, on the host."""
    transform = ours(name)
    return [transform.params(image, key=key) for key, image in enumerate(arrays(SIDE)[:CHECKED])]


def batch(name: str) -> Prepared:
    import jax

    transform, images, key = ours(name), jax.numpy.asarray(arrays(SIDE)), jax.random.key(0)
    call = jax.jit(lambda images, key: transform.batch(images, key=key))
    start = time.perf_counter()
    call(images, key).block_until_ready()
    first = time.perf_counter() - start
    checked = zip(images[:CHECKED], host_params(name))
    if name == "GaussianNoise":
        answer = noise_of(call(images, key))
    else:
        answer = np.stack([blocks(transform.replay(image, params)) for image, params in checked])
    return lambda: call(images, key).block_until_ready(), answer, first


def pil(name: str) -> Prepared:
    images, transform = pil_images(SIDE), ours(name)

    def work() -> None:
        rng = np.random.default_rng(0)
        for image in images:
            transform(image, key=rng)

    return work, None


def torchvision_params(params: dict[str, Any]) -> dict[str, Any]:
    """Params of funcvision as torchvision takes them."""
    import torch

    converted = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in params.items()}
    if "displacement" in params:
        converted["displacement"] = torch.from_numpy(params["displacement"])
    return {name: list(value) if isinstance(value, tuple) else value for name, value in converted.items()}


def torchvision(name: str, tensors: bool) -> Prepared:
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    transform: Any = getattr(v2, name)(**OPERATIONS[name])
    images: list[Any] = pil_images(SIDE)
    if tensors:
        images = [v2.functional.pil_to_tensor(image).contiguous() for image in images]

    def work() -> list[Any]:
        return [transform(image) for image in images]

    if not tensors:
        return work, None
    if name == "GaussianNoise":
        return work, noise_of(torch.stack(work()))
    results = []
    for image, params in zip(images[:CHECKED], host_params(name)):
        result = transform.transform(image, {} if "applied" in params else torchvision_params(params))
        results.append(blocks(result.movedim(0, -1)))
    return work, np.stack(results)


def albumentations(name: str) -> Prepared:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as library

    kind, options = ALBUMENTATIONS[name]
    transform, images = getattr(library, kind)(**options, p=1.0), list(arrays(SIDE))
    return lambda: [transform(image=image) for image in images], None


def kornia(name: str) -> Prepared:
    import kornia.augmentation
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    kind, options = KORNIA[name]
    transform = getattr(kornia.augmentation, kind)(**options, p=1.0)
    images = torch.from_numpy(arrays(SIDE)).movedim(-1, 1).contiguous() / 255
    return lambda: transform(images), None


def augmax(name: str) -> Prepared:
    import augmax as library

    kind, options = AUGMAX[name]
    return _vectorised(library.Chain(getattr(library, kind)(**options)))


def dm_pix(name: str) -> Prepared:
    return _vectorised(dm_pix_operation(name))


def _vectorised(operation: Callable[[Any, Any], Any]) -> Prepared:
    """A batch of float images under jit and vmap."""
    import jax

    images = jax.numpy.asarray(arrays(SIDE), jax.numpy.float32) / 255
    keys, call = jax.random.split(jax.random.key(0), COUNT), jax.jit(jax.vmap(operation))
    start = time.perf_counter()
    call(keys, images).block_until_ready()
    return lambda: call(keys, images).block_until_ready(), None, time.perf_counter() - start


# Pipelines


def imagenet(library: Any, *as_array: Any) -> Any:
    """The training pipeline of ImageNet after decoding.

    Args:
        library: the module of funcvision or torchvision with the transforms.
        as_array: what makes an array of floats of the image.
    """
    return library.Compose([
        library.RandomResizedCrop(SIDE), library.RandomHorizontalFlip(), library.RandAugment(), *as_array,
        library.Normalize(MEAN, STD), library.RandomErasing(0.25),
    ])


def ssd(library: Any, *as_array: Any, size: dict[str, int]) -> Any:
    """The training pipeline of SSD after decoding.

    Args:
        library: as above.
        as_array: as above.
        size: `{"size": SIDE}` where the shape must be fixed, otherwise empty.
    """
    return library.Compose([
        library.RandomPhotometricDistort(), library.RandomZoomOut(FILL, **size), library.RandomIoUCrop(**size),
        library.RandomHorizontalFlip(), *as_array, library.SanitizeBoundingBoxes(),
    ])


def boxes_of(index: int, height: int, width: int) -> np.ndarray:
    """Five boxes x1, y1, x2, y2 of an image."""
    rng = np.random.default_rng(index)
    start, extent = rng.uniform(0, 0.6, (5, 2)), rng.uniform(0.1, 0.4, (5, 2))
    return (np.concatenate([start, start + extent], 1) * [width, height, width, height]).astype(np.float32)


def pipeline_params(transform: Any) -> list[Any]:
    """What funcvision draws on the host for the images that are compared."""
    return [transform.params(image, key=key) for key, image in enumerate(arrays(DECODED)[:CHECKED])]


def pipeline_batch(name: str) -> Prepared:
    """All images in one compiled call."""
    import jax
    import jax.numpy as jnp

    from funcvision.vision import transforms, tv_tensors

    as_float = transforms.ToDtype(jnp.float32, scale=True)
    images, key = jnp.asarray(arrays(DECODED)), jax.random.key(0)
    if name == "ImageNet":
        transform, samples = imagenet(transforms, as_float), images
    else:
        transform = ssd(transforms, as_float, size={"size": SIDE})
        boxes = jnp.asarray(np.stack([boxes_of(i, DECODED, DECODED) for i in range(COUNT)]))
        samples = {
            "image": tv_tensors.Image(images), "labels": jnp.zeros((COUNT, 5), jnp.int32),
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(DECODED, DECODED)),
        }
    call = jax.jit(lambda samples, key: transform.batch(samples, key=key))
    start = time.perf_counter()
    jax.block_until_ready(call(samples, key))
    first = time.perf_counter() - start
    answer = None
    if name == "ImageNet":
        checked = zip(images[:CHECKED], pipeline_params(transform))
        answer = np.stack([blocks(transform.replay(image, params)) for image, params in checked])
    return lambda: jax.block_until_ready(call(samples, key)), answer, first


def pipeline_tensors(name: str) -> Prepared:
    """Torchvision on tensors, one image at a time."""
    import torch
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    as_float = v2.ToDtype(torch.float32, scale=True)
    images = [v2.functional.pil_to_tensor(image).contiguous() for image in pil_images(DECODED)]
    if name == "ImageNet":
        transform = imagenet(v2, as_float)
        return lambda: [transform(image) for image in images], torchvision_imagenet(images)
    transform = ssd(v2, v2.Resize((SIDE, SIDE)), as_float, size={})
    samples = [
        {"image": tv_tensors.Image(image), "labels": torch.zeros(5, dtype=torch.int64), "boxes": torch_boxes(i, image)}
        for i, image in enumerate(images)
    ]
    return lambda: [transform(sample) for sample in samples], None


def torch_boxes(index: int, image: Any) -> Any:
    import torch
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    height, width = v2.functional.get_size(image)
    boxes = torch.from_numpy(boxes_of(index, height, width))
    return tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width))


def torchvision_imagenet(images: list[Any]) -> np.ndarray:
    """What torchvision's kernels make of images with what funcvision draws for them."""
    import torch
    from torchvision.transforms import v2

    from funcvision.vision import transforms
    from funcvision.vision.transforms._operations import OPERATIONS as POLICY

    F, results = v2.functional, []
    policy: Any = v2.RandAugment()
    transform = imagenet(transforms, transforms.ToDtype(np.float32, scale=True))
    for image, params in zip(images, pipeline_params(transform)):
        crop, flip, augment, _, _, erase = params
        result = F.resized_crop(image, *(int(crop[name]) for name in ("top", "left", "height", "width")), [SIDE, SIDE])
        result = F.horizontal_flip(result) if flip["flip"] else result
        for index, magnitude in zip(augment["fn_idx"], augment["magnitude"]):
            result = policy._apply_image_or_video_transform(
                result, POLICY[index], float(magnitude), policy.interpolation, policy._fill
            )
        result = F.normalize(F.to_dtype(result, torch.float32, scale=True), list(MEAN), list(STD))
        box = [int(erase[name]) for name in ("top", "left", "height", "width")]
        result = F.erase(result, *box, torch.zeros(()))
        results.append(blocks(result.movedim(0, -1)))
    return np.stack(results)


def pipeline_pil(name: str) -> Prepared:
    """Funcvision on PIL images, one at a time: from files for ImageNet, decoded for SSD."""
    from funcvision.vision import transforms, tv_tensors

    as_array = transforms.ToImage(), transforms.ToDtype(np.float32, scale=True)
    random = np.random.default_rng(0)
    if name == "ImageNet":
        transform = imagenet(transforms, *as_array)
        return lambda: [transform(image, key=random) for image in opened()], None
    transform = ssd(transforms, *as_array, size={})
    samples = [
        {"image": image, "labels": np.zeros(5, np.int64), "boxes": tv_tensors.BoundingBoxes(
            boxes_of(i, image.height, image.width), format="XYXY", canvas_size=(image.height, image.width))}
        for i, image in enumerate(pil_images())
    ]
    return lambda: [transform(sample, key=random) for sample in samples], None


def pipeline_torchvision_pil(name: str) -> Prepared:
    """Torchvision on PIL images, one at a time."""
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    as_array = v2.ToImage(), v2.ToDtype(torch.float32, scale=True)
    if name == "ImageNet":
        transform = imagenet(v2, *as_array)
        return lambda: [transform(image) for image in opened()], None
    transform = ssd(v2, *as_array, size={})
    samples = [
        {"image": image, "labels": torch.zeros(5, dtype=torch.int64), "boxes": torch_boxes(i, image)}
        for i, image in enumerate(pil_images())
    ]
    return lambda: [transform(sample) for sample in samples], None


def opened() -> Iterator[Any]:
    """The files, decoded one after the other."""
    import PIL.Image

    return (PIL.Image.open(io.BytesIO(file)).convert("RGB") for file in files())


PIPELINES = {
    f"{COUNT} images of {DECODED} x {DECODED}": {"batch": "pipeline_batch", "torchvision tensor": "pipeline_tensors"},
    "PIL": {"PIL": "pipeline_pil", "torchvision PIL": "pipeline_torchvision_pil"},
}


def main(rounds: int = 9) -> None:
    """Prints a table for each operation and pipeline, then the geometric means."""
    present = {name: table for name, table in PEERS.items() if importlib.util.find_spec(name)}
    for name in PEERS.keys() - present.keys():
        print(f"{name} cannot be imported and is left out")
    table: dict[str, dict[str, float]] = {}
    with Workers() as workers:
        for name in ("ImageNet", "SSD"):
            for title, pair in PIPELINES.items():
                contenders = [Contender(who, __name__, function, {"name": name}) for who, function in pair.items()]
                compare(f"{name}, {title}", contenders, rounds=rounds, rtol=0.03, workers=workers)
        for name in OPERATIONS:
            everyone = {"batch": ("batch", {}), "torchvision tensor": ("torchvision", {"tensors": True})}
            if name != "GaussianNoise":
                everyone |= {"torchvision PIL": ("torchvision", {"tensors": False}), "PIL": ("pil", {})}
            everyone |= {peer: (peer, {}) for peer, known in present.items() if name in known}
            contenders = [
                Contender(who, __name__, function, {**options, "name": name})
                for who, (function, options) in everyone.items()
            ]
            # Blocks of pixels: a level of 255, and pixels that "nearest" takes from the neighbour.
            table[name] = compare(name, contenders, rounds=rounds, rtol=0.03, workers=workers).ratios
    for peer in ("torchvision tensor", *present):
        ratios = [ratios[peer] for ratios in table.values() if peer in ratios]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        ahead = sum(ratio < 1 for ratio in ratios)
        print(f"batch / {peer}: geometric mean {mean:.2f}, worst {max(ratios):.2f}, ahead in {ahead} of {len(ratios)}")
