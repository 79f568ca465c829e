"""Opening image files beside torchvision's readers."""

import numpy as np
import PIL.Image
import pytest
import torch
import torchvision.datasets
import torchvision.io
import torchvision.transforms.v2.functional as theirs

from funcvision.vision.datasets import ImageFolder
from funcvision.vision.io import open_image


def test_sixteen_bits(tmp_path):
    """torchvision's `read_image` keeps 16 bits, and `to_dtype` drops the lower 8; its `ImageFolder` gives white."""
    values = np.random.default_rng(0).integers(256, 65536, (9, 7), np.uint16)
    (tmp_path / "a").mkdir()
    PIL.Image.fromarray(values).save(tmp_path / "a" / "x.png")
    tensor = torchvision.io.decode_image(str(tmp_path / "a" / "x.png")).to(torch.int32)
    bits = [theirs._misc._num_value_bits(dtype) for dtype in (torch.uint16, torch.uint8)]
    expected = (tensor >> bits[0] - bits[1]).numpy()
    found = np.asarray(ImageFolder(tmp_path)[0][0])
    np.testing.assert_array_equal(found, np.broadcast_to(expected[0][..., None], found.shape))
    assert (np.asarray(torchvision.datasets.ImageFolder(tmp_path)[0][0]) == 255).all(), "what this departs from"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif", [False, True])
def test_exif_orientation(tmp_path, orientation, exif):
    noise = np.random.default_rng(orientation).integers(0, 256, (16, 24, 3), np.uint8)
    image = PIL.Image.fromarray(noise)
    tags = image.getexif()
    tags[0x0112] = orientation
    image.save(tmp_path / "x.png", exif=tags)
    tensor = torchvision.io.decode_image(str(tmp_path / "x.png"), apply_exif_orientation=exif)
    found = np.asarray(open_image(tmp_path / "x.png", exif=exif))
    np.testing.assert_array_equal(found, tensor.permute(1, 2, 0).numpy())
