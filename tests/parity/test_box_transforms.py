"""The transforms of boxes and key points alone against torchvision's."""

import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as v2
from torchvision import tv_tensors as theirs

from funcvision.vision import transforms
from funcvision.vision import tv_tensors as ours

from .images import picture
from .test_transform_leaves import SIZE, assert_same_boxes, pair, random_boxes


@pytest.mark.parametrize(("name", "options"), [
    ("ClampBoundingBoxes", ()), ("ClampBoundingBoxes", ("hard",)), ("ConvertBoundingBoxFormat", ("CXCYWH",)),
    ("SetClampingMode", ("hard",)), ("SetClampingMode", (None,)),
])
def test_boxes(name, options):
    mine, reference = pair(random_boxes("XYXY"), "XYXY")
    image = ours.Image(picture(*SIZE, 3))
    same, result = getattr(transforms, name)(*options)((image, mine))
    assert_same_boxes(result, getattr(v2, name)(*options)(reference))
    np.testing.assert_array_equal(same.array, image.array)


def test_clamp_key_points():
    points = np.random.default_rng(0).uniform(-30, 90, (50, 2))
    expected = v2.ClampKeyPoints()(theirs.KeyPoints(torch.from_numpy(points.copy()), canvas_size=SIZE))
    result = transforms.ClampKeyPoints()(ours.KeyPoints(points, canvas_size=SIZE))
    np.testing.assert_allclose(result.array, torch.as_tensor(expected).numpy())


def test_bad_options():
    with pytest.raises(ValueError, match="clamping_mode='auto' is not one of"):
        transforms.SetClampingMode("auto")
    with pytest.raises(ValueError, match="XYZ"):
        transforms.ConvertBoundingBoxFormat("XYZ")
