"""Random images: the same for the same index, and of the requested sizes."""

import pickle

import numpy as np
import pytest

from funcvision.vision.datasets import FakeData, VisionDataset


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_sizes_and_labels(channels, mode):
    found = FakeData(40, (channels, 5, 7), num_classes=3)
    pairs = list(found)
    assert len(found) == len(pairs) == 40
    assert all((image.mode, image.size) == (mode, (7, 5)) for image, _ in pairs)
    assert {label for _, label in pairs} == {0, 1, 2}
    assert all(type(label) is int for _, label in pairs)
    pixels = np.stack([np.asarray(image) for image, _ in pairs])
    assert abs(pixels.mean() - 127.5) < 10
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_an_index_is_always_the_same_image():
    found = FakeData(5, (3, 4, 4))
    again = pickle.loads(pickle.dumps(found))
    images = [found[i][0].tobytes() for i in range(5)]
    assert images == [again[i][0].tobytes() for i in range(5)]
    assert len(set(images)) == 5
    assert found[-1][0].tobytes() == images[4]


@pytest.mark.parametrize("offset", [2, -2])
def test_the_offset_moves_the_seeds(offset):
    plain, moved = FakeData(9, (1, 4, 4)), FakeData(9, (1, 4, 4), random_offset=offset)
    for i in range(2, 7):
        assert moved[i][0].tobytes() == plain[i + offset][0].tobytes()
        assert moved[i][1] == plain[i + offset][1]
    assert moved[0][0].size == (4, 4)


def test_transforms_and_summary():
    found = FakeData(2, (3, 4, 4), transform=np.asarray, target_transform=str)
    image, label = found[0]
    assert image.shape == (4, 4, 3)
    assert isinstance(label, str)
    assert repr(found).splitlines()[:2] == ["Dataset FakeData", "    Number of datapoints: 2"]
    assert "Root location" not in repr(found)


@pytest.mark.parametrize("index", [3, -4])
def test_indices_outside_are_refused(index):
    with pytest.raises(IndexError, match=f"index {index} is out of range for 3 images"):
        FakeData(3)[index]


@pytest.mark.parametrize("size", [(224, 224, 3), (2, 4, 4), (3, 4)])
def test_sizes_in_another_order_are_refused(size):
    with pytest.raises(ValueError, match=r"is not \(channels, height, width\) with 1, 3 or 4 channels"):
        FakeData(3, size)


def test_the_base_names_what_is_to_be_defined():
    with pytest.raises(NotImplementedError, match="VisionDataset does not say how many pairs it has: define __len__"):
        len(VisionDataset())
    with pytest.raises(NotImplementedError, match="define read"):
        VisionDataset()[0]
