"""Drawings against those of torchvision.utils, pixel for pixel."""

import inspect
import pathlib
import re

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.utils as tvu
from torchvision.transforms.v2 import functional as tvf

from funcvision.vision import draw, tv_tensors

from .images import array

SIZE = (70, 90)
BOXES = np.array([[3, 4, 40.7, 30.2], [20, 10, 80, 60], [-5, 30, 12, 90], [50, 50, 50, 50]], np.float32)
CORNERS = np.array(
    [[10, 10, 60, 20, 56, 40, 6, 30], [40, 12, 52, 28, 20, 52, 8, 36], [80, 60, 30, 60, 30, 20, 80, 20],
     [70, 5, 70, 45, 50, 45, 50, 5], [5, 5, 5, 5, 5, 5, 5, 5], [61.3, 8.8, 77.1, 33.4, 20.2, 60.6, 4.4, 36.0]],
    np.float32,
)  # fmt: skip


def image(channels=3, dtype="uint8"):
    values = np.random.default_rng(0).integers(0, 256, (*SIZE, channels), np.uint8)
    return values if dtype == "uint8" else (values / 255).astype(dtype)


def chw(x):
    return torch.from_numpy(np.array(x)).movedim(-1, -3)


def assert_same(ours, theirs):
    np.testing.assert_array_equal(np.asarray(ours), array(theirs), strict=True)


def test_names_and_options():
    names = {name for name in tvu.__all__ if not name.startswith("_")}
    assert names <= set(draw.__all__)
    for name in names - {"save_image"}:  # whose options are those of make_grid
        theirs = inspect.signature(getattr(tvu, name)).parameters
        ours = inspect.signature(getattr(draw, name)).parameters
        assert [*ours] == [*theirs]
        assert [one.default for one in ours.values()] == [one.default for one in theirs.values()]
    page = (pathlib.Path(__file__).parents[2] / "docs" / "from_pytorch.md").read_text(encoding="utf-8")
    line = re.search(r"^\| `torchvision.utils` \| (.*) \|$", page, re.MULTILINE)
    assert line
    assert set(re.findall(r"`(\w+)`", line[1])) == names


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [
    {},
    {"width": 3, "colors": "red"},
    {"colors": ["red", "#00FF7f", (1, 2, 3), "blue", "white"], "labels": ["a", "bird", "Ärmel", "long label"]},
    {"fill": True, "labels": ["a", None, "c", "d"], "colors": (200, 100, 0), "width": 2},
    {"fill_labels": True, "labels": ["a", "bgj", "c", "d"], "colors": "yellow"},
    {"fill_labels": True, "labels": ["a", "b", "c", "d"], "label_colors": ["red", "green", "blue", (9, 9, 9)],
     "label_background_colors": ["white", (250, 240, 0), "gray", "black"], "fill": True},
    {"labels": ["a", "b", "c", "d"], "label_colors": "white", "label_background_colors": "red"},
], ids=lambda options: "-".join(options) or "default")  # fmt: skip
def test_draw_bounding_boxes(options, channels, dtype):
    x = image(channels, dtype)
    theirs = tvu.draw_bounding_boxes(chw(x), torch.from_numpy(BOXES), **options)
    assert_same(draw.draw_bounding_boxes(x, BOXES, **options), theirs)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("fill", [False, True])
def test_rotated_boxes(fill, width):
    options = {"fill": fill, "width": width, "labels": list("abcdef")}
    theirs = tvu.draw_bounding_boxes(chw(image()), torch.from_numpy(CORNERS), **options)
    assert_same(draw.draw_bounding_boxes(image(), CORNERS, **options), theirs)


def test_many_rotated_boxes():
    corners = np.random.default_rng(1).uniform(-20, 100, (200, 8))
    theirs = tvu.draw_bounding_boxes(chw(image()), torch.from_numpy(corners))
    assert_same(draw.draw_bounding_boxes(image(), corners), theirs)


def test_fonts():
    fonts = pytest.importorskip("matplotlib").get_data_path() + "/fonts/ttf/DejaVuSans.ttf"
    options = {"labels": ["a", "Kätzchen", "c", "d"], "font": fonts, "fill_labels": True}
    for size in (None, 17):
        theirs = tvu.draw_bounding_boxes(chw(image()), torch.from_numpy(BOXES), font_size=size, **options)
        assert_same(draw.draw_bounding_boxes(image(), BOXES, font_size=size, **options), theirs)


ROTATED = np.array([[40, 30, 30, 20, 25], [45, 35, 22, 50, -70]], np.float32)  # CXCYWHR


@pytest.mark.parametrize("format", ["XYWH", "CXCYWH", "XYWHR", "CXCYWHR", "XYXYXYXY"])
def test_typed_boxes_are_drawn_by_their_format(format):
    plain, old, values = ("XYXYXYXY", "CXCYWHR", ROTATED) if "R" in format else ("XYXY", "XYXY", BOXES)
    if format == "XYXYXYXY":
        plain, old, values = "XYXYXYXY", "CXCYWHR", ROTATED
    given = tvf.convert_bounding_box_format(torch.from_numpy(values), old_format=old, new_format=format)
    corners = tvf.convert_bounding_box_format(given, old_format=format, new_format=plain)
    typed = tv_tensors.BoundingBoxes(given.numpy(), format=format, canvas_size=SIZE)
    theirs = tvu.draw_bounding_boxes(chw(image()), corners)
    assert_same(draw.draw_bounding_boxes(image(), typed), theirs)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("colors", [None, "red", ["red", (1, 2, 3), "#ffff00", "blue"]])
@pytest.mark.parametrize("alpha", [0, 0.3, 0.8, 1])
def test_draw_segmentation_masks(alpha, colors, dtype):
    masks = np.random.default_rng(2).random((3, *SIZE)) > 0.7
    x = image(3, dtype)
    theirs = tvu.draw_segmentation_masks(chw(x), torch.from_numpy(masks), alpha, colors)
    if dtype == "float64" and colors is None:  # torchvision's palette is rounded to float32
        np.testing.assert_allclose(draw.draw_segmentation_masks(x, masks, alpha), array(theirs), rtol=1e-6, atol=1e-8)
        return
    assert_same(draw.draw_segmentation_masks(x, masks, alpha, colors), theirs)
    theirs = tvu.draw_segmentation_masks(chw(x), torch.from_numpy(masks[1]), alpha, colors)
    assert_same(draw.draw_segmentation_masks(x, masks[1], alpha, colors), theirs)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("options", [
    {}, {"colors": "red"}, {"colors": (1, 200, 3), "radius": 5},
    {"colors": "#00ff00", "connectivity": [(0, 1), (1, 4), (2, 3)], "width": 1},
    {"connectivity": [(0, 1), (1, 2), (2, 3), (3, 4)], "radius": 0, "width": 4},
])  # fmt: skip
def test_draw_keypoints(options, dtype):
    rng = np.random.default_rng(3)
    points = rng.uniform(-10, 95, (3, 5, 2)).astype(np.float32)
    x = image(3, dtype)
    theirs = tvu.draw_keypoints(chw(x), torch.from_numpy(points), **options)
    assert_same(draw.draw_keypoints(x, points, **options), theirs)
    for visibility in (rng.random((3, 5)) > 0.4, rng.integers(0, 3, (3, 5, 1))):
        theirs = tvu.draw_keypoints(
            chw(x), torch.from_numpy(points), visibility=torch.from_numpy(visibility), **options
        )
        assert_same(draw.draw_keypoints(x, points, visibility=visibility, **options), theirs)


@pytest.mark.parametrize("shape", [(2, 40, 50), (41, 53), (1, 1)])
def test_flow_to_image(shape):
    flow = np.random.default_rng(4).normal(0, 5, (*shape, 2)).astype(np.float32)
    flow[..., 0, 0, :] = 0
    theirs = array(tvu.flow_to_image(chw(flow)))
    ours = draw.flow_to_image(flow)
    assert ours.dtype == theirs.dtype
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 1  # atan2 of torch and of numpy differ in the last bit, which `floor` shows
    assert (difference > 0).mean() < 0.001


@pytest.mark.parametrize("axis", range(4))
def test_flow_along_the_axes(axis):
    angle = axis * np.pi / 2
    flow = np.full((3, 4, 2), (np.cos(angle), np.sin(angle)), np.float32).round()
    assert_same(draw.flow_to_image(flow), tvu.flow_to_image(chw(flow)))


@pytest.mark.parametrize("options", [
    {}, {"nrow": 3, "padding": 0}, {"nrow": 2, "padding": 5, "pad_value": 0.5}, {"normalize": True},
    {"normalize": True, "value_range": (-0.5, 0.8)}, {"normalize": True, "scale_each": True, "nrow": 4},
])  # fmt: skip
@pytest.mark.parametrize("shape", [(7, 6, 5, 3), (7, 6, 5, 1), (1, 6, 5, 3), (6, 5, 1), (6, 5, 3), (3, 6, 5, 4)])
def test_make_grid(shape, options):
    images = np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)
    assert_same(draw.make_grid(images, **options), tvu.make_grid(chw(images), **options))
    if len(shape) == 4:
        theirs = tvu.make_grid([*chw(images)], **options)
        assert_same(draw.make_grid([*images], **options), theirs)


def test_make_grid_of_integers_and_of_a_plane():
    images = np.random.default_rng(5).integers(0, 256, (5, 6, 4, 3), np.uint8)
    assert_same(draw.make_grid(images, pad_value=7), tvu.make_grid(chw(images), pad_value=7))
    plane = images[0, ..., 0]
    assert_same(draw.make_grid(plane), tvu.make_grid(torch.from_numpy(plane)))


@pytest.mark.parametrize("shape", [(3, 6, 5, 3), (6, 5, 1), (6, 5, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_image(shape, dtype, tmp_path):
    images = np.random.default_rng(6).normal(0.5, 0.4, shape).astype(dtype)
    tvu.save_image(chw(images), tmp_path / "theirs.png", nrow=2)
    draw.save_image(images, tmp_path / "ours.png", nrow=2)
    assert (tmp_path / "ours.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()
    with open(tmp_path / "file.png", "wb") as file:
        draw.save_image(jnp.asarray(images, jnp.float32), file, "png", nrow=2)
    assert (tmp_path / "file.png").read_bytes()[:4] == b"\x89PNG"
