"""Pooling of regions and feature pyramids against torchvision's kernels, values and gradients in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.ops
from jax.test_util import check_grads

from funcvision import nn
from funcvision.vision import ops
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import assert_close, assert_same_with_gradients, nchw, nhwc, random

SPECIAL = [
    [0, 0, 0, 13, 9], [1, 3, 4, 3, 4], [0, 9, 6, 4, 2], [1, -30, -30, -20, -25], [0, 40, 3, 50, 8], [1, -1, -1, 2, 2],
    [0, 12, 8, 13, 9], [1, 2.5, 3.5, 6.5, 7.5], [0, -0.5, -0.5, 0.5, 0.5],
]
"""The whole map, no area, inverted, outside, at the border, halves that are rounded."""


def regions(seed, n, images=2, low=-6.0, high=14.0, size=12.0):
    """[n, 5] with boxes partly outside the map, and the special ones."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(low, high, (n, 2))
    boxes = np.concatenate([rng.integers(0, images, (n, 1)), corner, corner + rng.uniform(0, size, (n, 2))], 1)
    return np.concatenate([boxes, SPECIAL])


def compare(name, image, boxes, *options, **more):
    """Value and gradient of the feature map."""
    with jax.enable_x64(True):
        assert_same_with_gradients(
            lambda x: getattr(ops, name)(x, jnp.asarray(boxes), *options, **more),
            lambda x: getattr(torchvision.ops, name)(x, torch.from_numpy(boxes), *options),
            [image], to_torch=[nchw], from_torch=[nhwc],
        )


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling_ratio", [-1, 0, 1, 2, 3, 4])
def test_roi_align(sampling_ratio, aligned):
    image = random(0, 2, 9, 13, 5, dtype="float64")
    compare("roi_align", image, regions(0, 12), (3, 4), 0.6, sampling_ratio, aligned, max_sampling_ratio=8)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (2, 2)])
def test_roi_align_of_small_maps(size):
    compare("roi_align", random(0, 2, *size, 3, dtype="float64"), regions(0, 5, size=4), 2, 0.5, 2, True)


@pytest.mark.parametrize("name", ["roi_pool", "ps_roi_pool"])
@pytest.mark.parametrize(("size", "shape", "scale"), [((9, 13), (3, 4), 0.6), ((9, 13), (2, 2), 1.0), ((1, 1), 2, 1.0)])
def test_pools_of_rounded_boxes(name, size, shape, scale):
    bins = np.prod(shape) if isinstance(shape, tuple) else shape**2
    channels = 3 if name == "roi_pool" else 3 * int(bins)
    compare(name, random(0, 2, *size, channels, dtype="float64"), regions(0, 30), shape, scale)


@pytest.mark.parametrize("sampling_ratio", [-1, 2, 3])
def test_ps_roi_align(sampling_ratio):
    rois = regions(0, 20)
    rois = rois[(rois[:, 3:] > rois[:, 1:3]).all(1)]  # torchvision's are NaN without area
    image = random(0, 2, 9, 13, 24, dtype="float64")
    compare("ps_roi_align", image, rois, (3, 4), 0.6, sampling_ratio, max_sampling_ratio=8)


def test_ps_roi_align_of_a_box_without_area_is_0():
    x = jnp.asarray(random(0, 1, 5, 5, 8))
    assert not ops.ps_roi_align(x, jnp.array([[0.0, 2.0, 2.0, 2.0, 2.0]]), 2, 1.0, -1).any()


def test_roi_pool_takes_the_first_of_equal_values_and_passes_over_nan():
    x = np.ones((1, 4, 4, 1), "float32")
    x[0, 1, 1], x[0, 3, 3] = np.nan, -np.inf
    boxes = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 1, 1], [0, 3, 3, 3, 3]], "float32")
    expected = torchvision.ops.roi_pool(nchw(x), torch.from_numpy(boxes), 1)
    assert_close(ops.roi_pool(jnp.asarray(x), boxes, 1), nhwc(expected))


@pytest.mark.parametrize("name", ["roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"])
def test_lists_of_boxes_no_boxes_and_batches(name):
    x = jnp.asarray(random(0, 2, 9, 13, 8))
    boxes = regions(0, 6).astype("float32")
    pool = functools.partial(getattr(ops, name), output_size=2, spatial_scale=0.5)
    each = [boxes[boxes[:, 0] == i, 1:] for i in range(2)]
    ordered = np.concatenate([boxes[boxes[:, 0] == i] for i in range(2)])
    assert_close(pool(x, each), np.asarray(pool(x, ordered)))
    for nothing in (jnp.zeros((0, 5)), [jnp.zeros((0, 4))] * 2):
        assert pool(x, nothing).shape == (0, 2, 2, 8 if name in ("roi_align", "roi_pool") else 2)
    alone = jnp.asarray(np.stack([each[0][:5], each[1][:5]]))
    batch = jax.jit(jax.vmap(lambda image, b: pool(image[None], [b])))(x, alone)
    for i in range(2):
        assert_close(batch[i], np.asarray(pool(x[i : i + 1], [alone[i]])))
    with pytest.raises(ValueError, match=rf"{name} takes boxes \[regions, 5\].*got an array of shape \(3, 4\)"):
        pool(x, jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match=rf"{name} takes a list with boxes"):
        pool(x, [jnp.zeros((3, 5))])
    with pytest.raises(TypeError, match="boxes are floating-point numbers"):
        pool(x, jnp.zeros((3, 5), jnp.int32))


def test_roi_align_under_jit_takes_as_many_samples_as_boxes_inside_the_map_need():
    x, boxes = random(0, 1, 17, 23, 3), np.array([[0, 0, 0, 23, 17], [0, 3, 1, 20, 4], [0, 2, 2, 3, 3]], "float32")
    for aligned in (False, True):
        expected = torchvision.ops.roi_align(nchw(x), torch.from_numpy(boxes), 2, 1.0, -1, aligned)
        ours = jax.jit(lambda x, b, aligned=aligned: ops.roi_align(x, b, 2, 1.0, -1, aligned))(x, boxes)
        assert_close(ours, nhwc(expected))
    fewer = ops.roi_align(jnp.asarray(x), boxes[1:], 2, max_sampling_ratio=1)
    assert_close(fewer, np.asarray(ops.roi_align(jnp.asarray(x), boxes[1:], 2, sampling_ratio=1)))


@pytest.mark.parametrize("sampling_ratio", [-1, 2, 4])
def test_roi_align_has_gradients_for_boxes(sampling_ratio):
    with jax.enable_x64(True):
        x = jnp.asarray(random(0, 1, 9, 13, 2, dtype="float64"))
        boxes = jnp.array([[1.2, 2.3, 8.1, 6.9], [0.4, 0.7, 5.3, 8.2]])
        pool = lambda x, b: ops.roi_align(x, [b], (2, 3), 0.9, sampling_ratio, True)
        check_grads(jax.jit(pool), (x, boxes), 1, modes=["rev"])
        gradient = jax.grad(lambda b: pool(x, b).sum())(boxes)
        assert (gradient != 0).all()


def test_roi_align_of_half_types_is_computed_in_float32():
    x, boxes = random(0, 2, 9, 13, 5), regions(0, 10).astype("float32")
    y = ops.roi_align(jnp.asarray(x, jnp.bfloat16), boxes, 3, 0.6, 2)
    assert y.dtype == jnp.bfloat16
    expected = torchvision.ops.roi_align(nchw(x), torch.from_numpy(boxes), 3, 0.6, 2)
    assert_close(np.asarray(y, np.float32), nhwc(expected), rtol=1e-2)
    gradient = jax.grad(lambda x: ops.roi_align(x, boxes, 3, 0.6, 2).astype(jnp.float32).sum())(y[:2])
    assert gradient.dtype == jnp.bfloat16


@pytest.mark.parametrize("name", ["roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"])
def test_bins_in_float32_have_torchs_pixels_and_samples(name):
    """Where the size of a bin, rounded, decides how many."""
    x = random(0, 1, 64, 64, 9)
    size = np.arange(2, 61, dtype="float32")
    boxes = np.stack([0 * size, 0 * size, 0 * size + 1, size, size], 1)
    expected = getattr(torchvision.ops, name)(nchw(x), torch.from_numpy(boxes), 3)
    run = lambda x, b: getattr(ops, name)(x, b, 3)
    assert_close(run(jnp.asarray(x), boxes), nhwc(expected))
    assert_close(jax.jit(run)(x, boxes), nhwc(expected))


@pytest.mark.parametrize(("name", "options"), [
    ("RoIAlign", (2, 0.5, 2, True)), ("RoIPool", ((3, 2), 0.5)), ("PSRoIAlign", (2, 0.5, 2)), ("PSRoIPool", (2, 0.5)),
])
def test_layers(name, options):
    x, boxes = random(0, 2, 9, 13, 8), regions(0, 6).astype("float32")
    expected = getattr(torchvision.ops, name)(*options)(nchw(x), torch.from_numpy(boxes))
    assert_close(getattr(ops, name)(*options).apply({}, {}, jnp.asarray(x), boxes)[0], nhwc(expected))


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("sampling_ratio", [2, -1])
def test_multi_scale_roi_align(levels, sampling_ratio):
    names = ["fine", "middle", "coarse"][:levels]
    maps = [random(i, 2, 60 // 2**i, 80 // 2**i, 5, dtype="float64") for i in range(levels)]
    boxes = [np.concatenate([
        np.random.default_rng(i).uniform(0, 200, (12, 2)), np.random.default_rng(i + 9).uniform(200, 320, (12, 2)),
    ], 1) * np.linspace(0.05, 1, 12)[:, None] for i in range(2)]
    shapes = [(240, 320), (200, 310)]
    options = {"canonical_scale": 100, "canonical_level": 3}
    ours = ops.MultiScaleRoIAlign(names, 3, sampling_ratio, **options, max_sampling_ratio=32)
    theirs = torchvision.ops.MultiScaleRoIAlign(names, 3, sampling_ratio, **options)
    with jax.enable_x64(True):
        assert_same_with_gradients(
            lambda *maps: ours.apply({}, {}, maps, [jnp.asarray(b) for b in boxes], shapes)[0],
            lambda *maps: theirs(dict(zip(names, maps, strict=True)), [torch.from_numpy(b) for b in boxes], shapes),
            maps, to_torch=[nchw] * levels, from_torch=[nhwc] * levels,
        )
        as_mapping = {"unused": maps[0], **dict(zip(names, map(jnp.asarray, maps), strict=True))}
        y = ours.apply({}, {}, as_mapping, [jnp.asarray(b) for b in boxes], shapes)[0]
        assert_close(y, np.asarray(ours.apply({}, {}, tuple(maps), [jnp.asarray(b) for b in boxes], shapes)[0]))
    if levels == 3:
        used = theirs.map_levels([torch.from_numpy(b) for b in boxes])
        assert set(used.tolist()) == {0, 1, 2}
    with pytest.raises(ValueError, match="feature maps, fine"):
        ours.apply({}, {}, {"other": maps[0]}, boxes, shapes)
    with pytest.raises(ValueError, match="shape of each image"):
        ours.apply({}, {}, tuple(maps), boxes, [])


@pytest.mark.parametrize("extra", [None, "pool", "p6p7", "p6p7 of the last map"])
@pytest.mark.parametrize("norm", [False, True])
def test_feature_pyramid_network(extra, norm):
    def build(library, norm_layer):
        blocks = {
            None: lambda: None, "pool": library.LastLevelMaxPool, "p6p7": lambda: library.LastLevelP6P7(6, 6),
            "p6p7 of the last map": lambda: library.LastLevelP6P7(8, 6),
        }
        network = ops if library is ops else torchvision.ops
        return network.FeaturePyramidNetwork([4, 5, 8], 6, blocks[extra](), norm_layer if norm else None)

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = build(torchvision.ops.feature_pyramid_network, torch.nn.BatchNorm2d)

        def forward(self, *maps):
            return tuple(self.network({str(i): m for i, m in enumerate(maps)}).values())

    class Ours(nn.Module):
        def __init__(self):
            self.network = build(ops, nn.BatchNorm2d)

        def forward(self, *maps):
            return self.network(maps)

    maps = [random(i, 2, *shape) for i, shape in enumerate([(13, 9, 4), (7, 5, 5), (4, 3, 8)])]
    assert_layer_equal(Ours(), Theirs(), maps, dtype="float64", train=norm, channels_last=True)


def test_feature_pyramid_network_by_name():
    model = ops.FeaturePyramidNetwork([3, 4], 5, ops.LastLevelMaxPool())
    params, state = model.init(jax.random.key(0))
    maps = {"b": jnp.ones((1, 4, 4, 3)), "a": jnp.ones((1, 2, 2, 4))}
    by_name, _ = model.apply(params, state, maps)
    assert list(by_name) == ["b", "a", "pool"]
    in_order, _ = jax.jit(model.apply)(params, state, tuple(maps.values()))
    for name, level in zip(by_name, in_order, strict=True):
        assert_close(by_name[name], np.asarray(level), rtol=1e-5)
    assert not params["inner_blocks.0.0.bias"].any()
    with pytest.raises(ValueError, match="takes 2 feature maps and got 1"):
        model.apply(params, state, (maps["b"],))
    with pytest.raises(ValueError, match="a feature map needs channels"):
        ops.FeaturePyramidNetwork([0, 3], 4)
    with pytest.raises(TypeError, match="extra_blocks is an ExtraFPNBlock"):
        ops.FeaturePyramidNetwork([3], 4, nn.Identity())
