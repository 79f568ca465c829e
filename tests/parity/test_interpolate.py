"""Resizing against torch: value and gradient in every mode, by size and by factor, growing and shrinking."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from funcvision.functional._resample import nearest_index
from tests.parity.reference import assert_close, assert_same_with_gradients, nchw, nhwc, random

SHAPES = {1: (2, 11, 3), 2: (1, 7, 10, 3), 3: (2, 4, 6, 5, 2)}
FILTERED = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
TARGETS = {
    1: [{"size": 4}, {"scale_factor": (2.3,)}],
    2: [{"size": (13, 4)}, {"scale_factor": (0.55, 2.6)}, {"size": 1}],
    3: [{"size": (7, 2, 5)}, {"scale_factor": (1.7, 0.5, 2)}],
}


def compare(x, options, mode):
    assert_same_with_gradients(
        lambda x: F.interpolate(x, mode=mode, **options), lambda x: TF.interpolate(x, mode=mode, **options), [x],
        to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize(
    ("mode", "target", "align_corners"),
    [(m, t, a) for m, axes in FILTERED.items() for t in TARGETS[axes] for a in (None, True)],
)
def test_filtered(mode, target, align_corners):
    compare(random(0, *SHAPES[FILTERED[mode]]), {**target, "align_corners": align_corners}, mode)


@pytest.mark.parametrize(("mode", "target", "align_corners"), [
    *((mode, target, None) for mode in ("bilinear", "bicubic", "lanczos") for target in TARGETS[2]),
    ("bilinear", {"size": (13, 4)}, True), ("bicubic", {"scale_factor": (0.55, 2.6)}, True),
])  # fmt: skip
def test_antialiased(mode, target, align_corners):
    compare(random(0, *SHAPES[2]), {**target, "align_corners": align_corners, "antialias": True}, mode)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area"])
@pytest.mark.parametrize(
    ("axes", "target"), [(n, t) for n, targets in TARGETS.items() for t in targets] + [(2, {"scale_factor": 2})]
)
def test_unfiltered(mode, axes, target):
    compare(random(0, *SHAPES[axes]), target, mode)


@pytest.mark.parametrize(("mode", "options"), [
    ("bilinear", {}), ("bilinear", {"antialias": True}), ("bicubic", {"antialias": True}), ("bicubic", {}),
    ("nearest-exact", {}), ("area", {}),
])  # fmt: skip
@pytest.mark.parametrize("recompute", [False, True])
def test_factors_that_do_not_fit(mode, options, recompute):
    """1.05 leaves both lengths as they are, 1.37 is rounded; places are measured by the factor or by the lengths."""
    x = random(0, 1, 7, 10, 2)
    options = {**options, "scale_factor": (1.05, 1.37), "recompute_scale_factor": recompute, "mode": mode}
    assert_close(F.interpolate(x, **options), nhwc(TF.interpolate(nchw(x), **options)))


@pytest.mark.parametrize(("mode", "options"), [
    ("bicubic", {}), ("bicubic", {"antialias": True}), ("bilinear", {"align_corners": True}),
])  # fmt: skip
def test_large_images_in_float32(mode, options):
    """Where the rounding of torch's float32 coordinates shows."""
    x = random(0, 1, 700, 500, 1, low=0.0)
    for size in ((331, 777), (24, 30)):
        theirs = TF.interpolate(nchw(x), size, mode=mode, **options)
        assert_close(F.interpolate(x, size, mode=mode, **options), nhwc(theirs), what=str(size))


def test_nearest_takes_torchs_pixels():
    """Which pixel it is hangs on a rounding in float32."""
    mismatches = []
    for n, out in itertools.product(range(1, 40), range(1, 60)):
        x = np.arange(n, dtype="uint8").reshape(1, 1, n, 1)
        for mode in ("nearest", "nearest-exact"):
            theirs = TF.interpolate(nchw(x), (1, out), mode=mode)[0, 0, 0].numpy()
            ours = nearest_index(n, out, None, exact=mode == "nearest-exact")
            if not np.array_equal(ours, theirs):
                mismatches.append((n, out, mode))
    assert not mismatches


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_nearest_of_integers(dtype):
    x = np.random.default_rng(0).integers(0, 255, (2, 7, 6, 3)).astype(dtype)
    for mode, size in (("nearest", (14, 4)), ("nearest-exact", (5, 18))):
        theirs = TF.interpolate(nchw(x.astype("float32")), size, mode=mode)
        assert_close(F.interpolate(x, size, mode=mode), nhwc(theirs).astype(dtype))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types_come_back(mode, dtype):
    x = torch.from_numpy(random(0, 1, 3, 9, 8)).to(getattr(torch, dtype))
    ours = F.interpolate(jnp.moveaxis(jnp.asarray(x.float().numpy(), dtype), 1, -1), (5, 12), mode=mode)
    assert_close(jnp.moveaxis(ours, -1, 1), TF.interpolate(x, (5, 12), mode=mode))


def test_half_types_antialiased():
    """torch has no such kernel on a CPU: ours is the float32 result, rounded once."""
    x = jnp.asarray(random(0, 1, 9, 8, 3), jnp.bfloat16)
    wide = F.interpolate(x.astype(jnp.float32), (5, 12), mode="bilinear", antialias=True)
    assert_close(F.interpolate(x, (5, 12), mode="bilinear", antialias=True), wide.astype(jnp.bfloat16))


@pytest.mark.parametrize(("mode", "options"), [
    ("bilinear", {"align_corners": True}), ("bicubic", {}), ("bicubic", {"antialias": True}),
])  # fmt: skip
def test_float64(mode, options):
    with jax.enable_x64(True):
        x = random(0, 1, 9, 8, 3, dtype="float64")
        assert_close(F.interpolate(x, (5, 21), mode=mode, **options),
                     nhwc(TF.interpolate(nchw(x), (5, 21), mode=mode, **options)))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_nan_stays_where_torch_keeps_it(mode, antialias):
    x = random(0, 1, 8, 12, 1)
    x[0, 4, 5, 0] = np.nan
    theirs = nhwc(TF.interpolate(nchw(x), (11, 29), mode=mode, antialias=antialias))
    assert 0 < np.isnan(theirs).sum() < theirs.size / 2
    assert_close(F.interpolate(x, (11, 29), mode=mode, antialias=antialias), theirs)


@pytest.mark.parametrize("r", [1, 2, 3])
def test_pixel_shuffle_and_back(r):
    x = random(0, 2, 3, 4, 2 * r * r)
    y = F.pixel_shuffle(x, r)
    assert_close(y, nhwc(TF.pixel_shuffle(nchw(x), r)))
    assert_close(F.pixel_unshuffle(y, r), nhwc(TF.pixel_unshuffle(nchw(y), r)))
    assert_close(F.pixel_unshuffle(y, r), x)


@pytest.mark.filterwarnings("ignore:`nn.functional.upsample")
@pytest.mark.parametrize(("name", "options"), [
    ("upsample", {"size": (13, 4)}), ("upsample", {"scale_factor": 2.0, "mode": "bilinear", "align_corners": True}),
    ("upsample_nearest", {"scale_factor": 2}), ("upsample_bilinear", {"size": (9, 12)}),
])
def test_former_names(name, options):
    x = random(0, *SHAPES[2])
    assert_close(jax.jit(lambda x: getattr(F, name)(x, **options))(x), nhwc(getattr(TF, name)(nchw(x), **options)))


@pytest.mark.parametrize("shape", [(2, 6), (2, 5, 6), (2, 3, 4, 12), (1, 2, 3, 4, 6)])
def test_channel_shuffle(shape):
    x = random(0, *shape)
    for groups in (1, 2, 3, 6):
        # a vector of channels is an image of one pixel
        theirs = torch.nn.functional.channel_shuffle(nchw(x.reshape(shape[0], -1, shape[-1])), groups)
        assert_close(F.channel_shuffle(jnp.asarray(x), groups), nhwc(theirs).reshape(shape))
    with pytest.raises(ValueError, match=r"channels\] that divide by groups=5"):
        F.channel_shuffle(jnp.asarray(x), 5)
