"""Draws every transform of `funcvision.vision.transforms`, applied to one sample, into one picture.

The sample is drawn by code. It has an image, boxes with labels, a rotated box, masks and key points. Under each tile
stands the expression that made it; `funcvision show --transform EXPRESSION --out FILE` shows more of its draws. This
takes some seconds:

    python examples/augmentation_gallery.py --out gallery.png
"""

import argparse
import textwrap
from typing import Any

import jax
import numpy as np
import PIL.Image
import PIL.ImageDraw
from tqdm import tqdm

from funcvision.cli.show import parse_transform
from funcvision.vision import draw, transforms
from funcvision.vision.tv_tensors import Video

TILES = {  # the expression that is shown for each transform
    "AugMix": "AugMix(10, geometric='move')",
    "AutoAugment": "AutoAugment(geometric='move')",
    "CLAHE": "CLAHE(4.0, p=1.0)",
    "CenterCrop": "CenterCrop((110, 130))",
    "ClampBoundingBoxes": "Compose([RandomCrop((110, 130)), ClampBoundingBoxes()])",
    "ClampKeyPoints": "Compose([RandomCrop((110, 110)), ClampKeyPoints()])",
    "CoarseDropout": "CoarseDropout(8, p=1.0)",
    "ColorJitter": "ColorJitter(0.5, 0.5, 0.5, 0.3)",
    "Compose": "Compose([RandomResizedCrop((120, 160)), ColorJitter(hue=0.5)])",
    "ConvertBoundingBoxFormat": "Compose([ConvertBoundingBoxFormat('CXCYWH'), Pad(10)])",
    "ConvertImageDtype": "ConvertImageDtype('float32')",
    "CopyPaste": "CopyPaste(1.0)",
    "ElasticTransform": "ElasticTransform(250.0, 8.0)",
    "FiveCrop": "FiveCrop((70, 90))",
    "FixedSizeCrop": "FixedSizeCrop((110, 130))",
    "GaussianBlur": "GaussianBlur(15, 3.0)",
    "GaussianNoise": "GaussianNoise(sigma=0.15)",
    "Grayscale": "Grayscale()",
    "GridDistortion": "GridDistortion(5, 0.6)",
    "GridMask": "GridMask(p=1.0)",
    "Identity": "Identity()",
    "JPEG": "JPEG(5)",
    "Letterbox": "Letterbox((150, 150))",
    "Mosaic": "Mosaic((150, 200), labels_getter='default')",
    "MotionBlur": "MotionBlur(21)",
    "Normalize": "Compose([ToDtype('float32', scale=True), Normalize([0.5, 0.5, 0.5], [0.2, 0.5, 0.5])])",
    "PILToTensor": "PILToTensor()",
    "Pad": "Pad(20)",
    "RGB": "Compose([Grayscale(), RGB()])",
    "RandAugment": "RandAugment(2, 12, geometric='move')",
    "RandomAdjustSharpness": "RandomAdjustSharpness(8, p=1.0)",
    "RandomAffine": "RandomAffine(25, translate=(0.1, 0.1), scale=(0.7, 1.1), shear=15)",
    "RandomApply": "RandomApply([RandomInvert(1.0), RandomHorizontalFlip(1.0)], p=0.9)",
    "RandomAutocontrast": "Compose([ColorJitter((0.3, 0.3)), RandomAutocontrast(1.0)])",
    "RandomChannelPermutation": "RandomChannelPermutation()",
    "RandomChoice": "RandomChoice([RandomVerticalFlip(1.0), RandomSolarize(128, 1.0)])",
    "RandomCrop": "RandomCrop((120, 150), padding=20)",
    "RandomEqualize": "RandomEqualize(1.0)",
    "RandomErasing": "RandomErasing(1.0)",
    "RandomGamma": "RandomGamma((0.3, 0.5), p=1.0)",
    "RandomGrayscale": "RandomGrayscale(1.0)",
    "RandomHorizontalFlip": "RandomHorizontalFlip(1.0)",
    "RandomInvert": "RandomInvert(1.0)",
    "RandomIoUCrop": "Compose([RandomIoUCrop(), SanitizeBoundingBoxes()])",
    "RandomOrder": "RandomOrder([RandomPosterize(2, 1.0), GaussianBlur(9, 2.0)])",
    "RandomPerspective": "RandomPerspective(0.5, p=1.0)",
    "RandomPhotometricDistort": "RandomPhotometricDistort(p=1.0)",
    "RandomPosterize": "RandomPosterize(2, 1.0)",
    "RandomResize": "RandomResize(60, 140)",
    "RandomResizedCrop": "RandomResizedCrop((120, 160), scale=(0.3, 0.8))",
    "RandomRotation": "RandomRotation(40, 'bilinear', expand=True)",
    "RandomShortestSize": "RandomShortestSize([60, 90, 120])",
    "RandomSolarize": "RandomSolarize(128, 1.0)",
    "RandomVerticalFlip": "RandomVerticalFlip(1.0)",
    "RandomZoomOut": "RandomZoomOut(side_range=(1.5, 2.5), p=1.0)",
    "RepeatedAugment": "RepeatedAugment(ColorJitter(hue=0.5), 3)",
    "Resize": "Resize((100, 100))",
    "SanitizeBoundingBoxes": "SanitizeBoundingBoxes(min_size=45)",
    "SanitizeKeyPoints": "Compose([CenterCrop((100, 60)), SanitizeKeyPoints()])",
    "ScaleJitter": "ScaleJitter((200, 150), (0.4, 0.9))",
    "SetClampingMode": "Compose([SetClampingMode(None), RandomCrop((110, 130))])",
    "TenCrop": "TenCrop((70, 90))",
    "ToDtype": "ToDtype('float32', scale=True)",
    "ToImage": "ToImage()",
    "ToPILImage": "ToPILImage()",
    "TrivialAugmentWide": "TrivialAugmentWide(geometric='move')",
    "UniformTemporalSubsample": "UniformTemporalSubsample(4)",
}

NOT_SHOWN = {  # why a transform has no tile
    "CutMix": "it takes several samples, and the gallery shows one",
    "Lambda": "it does what its function does",
    "LinearTransformation": "its matrix is for one number of pixels",
    "MixUp": "it takes several samples, and the gallery shows one",
    "ToPureTensor": "its arrays have no types, so there is nothing that could be drawn",
    "ToTensor": "its Tensors are for the eager face",
}

LEFT_OUT = {  # the entries of the sample that a transform refuses
    "ConvertBoundingBoxFormat": ("rotated",),
    "CopyPaste": ("rotated", "keypoints"),
    "FiveCrop": ("boxes", "labels", "rotated", "masks", "keypoints"),
    "RandomIoUCrop": ("rotated",),
    "SanitizeBoundingBoxes": ("rotated",),
    "TenCrop": ("boxes", "labels", "rotated", "masks", "keypoints"),
}

SEVERAL = {"CopyPaste": 2, "Mosaic": 4}
"""How many samples a transform takes."""

VARIANTS = ("Identity()", "RandomHorizontalFlip(1.0)", "RandomInvert(1.0)", "RandomChannelPermutation()")
"""What is done with the sample to have several."""

SEEDS = {"AugMix": 4, "AutoAugment": 4, "RandAugment": 3, "RandomIoUCrop": 1, "TrivialAugmentWide": 3}
"""The seed of a tile, where 0 draws something that hides what the transform does."""

CELL, CAPTION, GAP = (200, 150), 44, 6
"""Width and height of a tile, height of the text below it, and the space around both, in pixels."""


def exported() -> list[str]:
    """The names of the transforms that funcvision exports, in alphabetical order."""
    values = {name: getattr(transforms, name) for name in transforms.__all__}
    kinds = [name for name, value in values.items() if isinstance(value, type)]
    return sorted(name for name in kinds if issubclass(values[name], transforms.Transform) and name != "Transform")


def sample_for(name: str) -> Any:
    """The sample that the transform of this name is applied to."""
    sample = draw.example_sample()
    if name == "UniformTemporalSubsample":
        pixels = sample["image"].array
        return Video(np.stack([np.roll(pixels, 25 * frame, 1) for frame in range(8)]))
    sample = {key: leaf for key, leaf in sample.items() if key not in LEFT_OUT.get(name, ())}
    if name in SEVERAL:
        return [parse_transform(expression)(sample, key=0) for expression in VARIANTS[: SEVERAL[name]]]
    return sample


def tile(name: str) -> np.ndarray:
    """The sample after the transform of this name, as one picture."""
    result = parse_transform(TILES[name])(sample_for(name), key=SEEDS.get(name, 0))
    if name != "RepeatedAugment":
        return draw.sample(result, classes=draw.EXAMPLE_CLASSES)
    copies = [jax.tree.map(lambda leaf, i=i: leaf[i], result) for i in range(3)]
    return np.concatenate([draw.sample(copy, classes=draw.EXAMPLE_CLASSES) for copy in copies], 1)


def gallery(pictures: dict[str, np.ndarray], columns: int) -> PIL.Image.Image:
    """The pictures with their captions below them, row by row, the original first."""
    width, height = CELL[0] + GAP, CELL[1] + CAPTION + GAP
    rows = -(-len(pictures) // columns)
    page = PIL.Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    pen = PIL.ImageDraw.Draw(page)
    for i, (caption, array) in enumerate(pictures.items()):
        picture = PIL.Image.fromarray(array)
        picture.thumbnail(CELL)  # makes it smaller where it is larger than the cell
        left, top = i % columns * width + GAP, i // columns * height + GAP
        page.paste(picture, (left, top))
        pen.multiline_text((left, top + CELL[1] + 2), "\n".join(textwrap.wrap(caption, 36)), fill="black", spacing=1)
    return page


def main() -> None:
    """Writes the gallery."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="gallery.png", metavar="FILE", help="the picture (default: gallery.png)")
    parser.add_argument("--columns", type=int, default=6, help="number of tiles in a row (default: 6)")
    arguments = parser.parse_args()
    shown = [name for name in exported() if name in TILES]
    pictures = {"the sample": draw.sample(draw.example_sample(), classes=draw.EXAMPLE_CLASSES)}
    pictures |= {TILES[name]: tile(name) for name in tqdm(shown, disable=None)}
    page = gallery(pictures, arguments.columns)
    page.save(arguments.out, optimize=True)
    print(f"{len(shown)} transforms -> {arguments.out} ({page.width} x {page.height})")
    for name in sorted(set(exported()) - {*shown}):
        print(f"not shown: {name}: {NOT_SHOWN[name]}")


if __name__ == "__main__":
    main()
