"""Boxes, masks and key points after warps against torchvision's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torchvision import tv_tensors as theirs
from torchvision.transforms.v2 import functional as tvf

from funcvision.vision import tv_tensors as ours
from funcvision.vision.transforms import functional as F

from .images import picture
from .test_transform_leaves import FORMATS, MODES, SIZE, assert_same_places, pair, random_boxes
from .test_warp_kernels import NAMES, warps

WARPS = warps(*SIZE)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_boxes(name, format, mode):
    mine, reference = pair(random_boxes(format), format, mode)
    result, expected = WARPS[name](F, mine), WARPS[name](tvf, reference)
    if "expand" in name:  # torchvision's canvas may differ from its image by a pixel, where the boxes are cut
        assert result.canvas_size == F.get_size(WARPS[name](F, picture(*SIZE, 1)))
        mine, reference = pair(random_boxes(format), format, None)
        result, expected = WARPS[name](F, mine), WARPS[name](tvf, reference)
    assert_same_places(result.array, torch.as_tensor(expected).numpy(), format, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_key_points_masks_and_no_boxes(name):
    points = np.random.default_rng(0).uniform(-3, 60, (30, 2))
    mine = WARPS[name](F, ours.KeyPoints(points, canvas_size=SIZE))
    expected = WARPS[name](tvf, theirs.KeyPoints(torch.from_numpy(points.copy()), canvas_size=SIZE))
    np.testing.assert_allclose(mine.array, torch.as_tensor(expected).numpy(), rtol=1e-5, atol=1e-4)
    compiled = jax.jit(lambda x: WARPS[name](F, ours.KeyPoints(x, canvas_size=SIZE)).array)
    traced = compiled(jnp.asarray(points, jnp.float32))
    np.testing.assert_allclose(traced, mine.array, rtol=1e-4, atol=1e-3)
    mask = picture(2, *SIZE)
    expected = torch.as_tensor(WARPS[name](tvf, theirs.Mask(torch.from_numpy(mask)))).numpy()
    result = WARPS[name](F, ours.Mask(mask))
    assert (result.array == expected).mean() >= 0.985
    none = WARPS[name](F, ours.BoundingBoxes(np.zeros((0, 4), np.float32), canvas_size=SIZE))
    assert none.shape == (0, 4)
    assert none.canvas_size == F.get_size(result)
