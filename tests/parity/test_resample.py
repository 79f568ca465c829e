"""The resampler of arrays against torchvision's: large and thin images, many channels, strong reductions, batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF
import torchvision.transforms.v2.functional as tvf

from funcvision import functional
from funcvision.functional import _resample, _resample_numpy
from funcvision.vision.transforms import functional as F

from .images import MODES, array, picture, tensor
from .reference import assert_close

# Old and new size, leading axes, channels. They reach every way of cutting the work into tiles.
CASES = {
    "wide": ((4, 200), (31, 1550), (), 3), "tall": ((900, 3), (70, 5), (), 3), "batch": ((16, 19), (40, 33), (5, 2), 3),
    "many channels": ((23, 31), (40, 17), (2,), 20), "strong reduction": ((600, 700), (5, 3), (), 3),
    "one pixel": ((37, 41), (1, 1), (), 1), "from one pixel": ((1, 1), (9, 8), (), 3),
    "no image": ((9, 8), (3, 4), (0,), 3), "threads": ((1100, 700), (500, 900), (), 3),
}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(("mode", "antialias"), [m for m in MODES if "nearest" not in m[0]])
@pytest.mark.parametrize("case", CASES)
def test_numpy(case, mode, antialias, dtype):
    old, new, lead, channels = CASES[case]
    x = picture(*lead, *old, channels, dtype=dtype)
    if 0 in lead:
        assert F.resize(x, new, mode, antialias=antialias).shape == (*lead, *new, channels)
        return
    theirs = array(tvf.resize(tensor(x), list(new), interpolation=mode, antialias=antialias))
    assert_close(F.resize(x, new, mode, antialias=antialias), theirs, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("case", ["wide", "tall", "many channels", "strong reduction", "from one pixel"])
def test_jax(case, dtype):
    old, new, lead, channels = CASES[case]
    x = picture(*lead, *old, channels, dtype=dtype)
    theirs = array(tvf.resize(tensor(x), list(new)))
    assert_close(jax.jit(lambda x: F.resize(x, new))(x), theirs, rtol=1e-5)


def test_views_are_resized_as_their_copies():
    x = picture(40, 60, 5)
    for view in (x[3:30, 7:50], x[::-1, ::2], x[..., 1:4], x.transpose(1, 0, 2), x[..., ::-1]):
        np.testing.assert_array_equal(F.resize(view, (20, 30)), F.resize(view.copy(), (20, 30)))


@pytest.mark.parametrize("antialias", [False, True])
def test_nan_stays_near(antialias):
    """Within the windows that it lies in on a device; on the host within the blocks of the matrices."""
    x = picture(400, 500, 3, dtype="float32")
    x[200, 250, 1] = np.nan
    theirs = np.isnan(array(tvf.resize(tensor(x), [300, 600], antialias=antialias)))
    device = np.isnan(jax.jit(lambda x: F.resize(x, (300, 600), antialias=antialias))(x))
    np.testing.assert_array_equal(device, theirs)
    host = np.isnan(F.resize(x, (300, 600), antialias=antialias))
    assert (host | ~theirs).all()
    assert host.mean() < 0.02


def test_memory_and_work_grow_with_the_taps():
    """A dense matrix for the columns would have 3 * 10**10 numbers."""
    x = picture(2, 150_000, 1, dtype="float32")
    theirs = array(tvf.resize(tensor(x), [2, 200_000]))
    assert_close(F.resize(x, (2, 200_000)), theirs)
    assert_close(jax.jit(lambda x: F.resize(x, (2, 200_000)))(x), theirs)


def test_a_traced_axis_that_is_long():
    """The positions need more than 31 bits before they are divided."""
    x = np.linspace(0, 1, 70_000, dtype=np.float32).reshape(1, -1, 1)
    crop = jax.jit(lambda x, w: F.resized_crop(x, 0, 0, 1, w, (1, 50_000)))
    theirs = tvf.resize(tensor(x[:, :66_000].astype("float64")), [1, 50_000])
    assert_close(crop(x, jnp.int32(66_000)), array(theirs).astype("float32"), rtol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 4095, 65_536, 2**24, 2**31 - 1])
@pytest.mark.parametrize("out", [1, 3, 224, 65_537])
def test_centres_of_traced_sizes_are_exact(length, out):
    whole, part = jax.jit(lambda n: _resample._centres(n, out, None, 0.5, 0.5, np.float32))(jnp.int32(length))
    for i in {0, out // 2, out - 1}:
        numerator = (2 * i + 1) * length - out
        assert int(whole[i]) == numerator // (2 * out)
        np.testing.assert_allclose(float(part[i]), numerator % (2 * out) / (2 * out), rtol=1e-6)


@pytest.mark.parametrize(("size", "scale"), [
    ((9, 11), 2.2), ((4, 7), 1.05), ((1, 4), (2.4, 1.3)), ((5, 3), (1.3, 2.05)), ((2, 9), (1.999, 2.1)),
    ((3, 8), (2.4, 0.6)),
])  # fmt: skip
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("recompute", [None, True])
def test_factors_of_about_one_and_two(mode, size, scale, recompute):
    """Torch ignores the factor of some axes, in some modes."""
    x = picture(1, *size, 2, dtype="float32")
    options = {"scale_factor": scale, "mode": mode, "recompute_scale_factor": recompute}
    assert_close(functional.interpolate(x, **options), array(TF.interpolate(tensor(x), **options)))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("axes", [1, 3])
def test_nearest_by_a_factor_on_other_numbers_of_axes(axes, mode):
    for n in range(1, 12):
        for factor in (1.05, 2.05, 2.2, 2.4, 0.6):
            if int(n * factor) < 1:
                continue
            x = np.arange(n, dtype=np.float32).reshape((1, *[1] * (axes - 1), n, 1))
            factors = (*[1.0] * (axes - 1), factor)
            theirs = TF.interpolate(torch.from_numpy(np.moveaxis(x, -1, 1).copy()), scale_factor=factors, mode=mode)
            ours = functional.interpolate(x, scale_factor=factors, mode=mode)
            np.testing.assert_array_equal(np.moveaxis(np.asarray(ours), -1, 1), theirs, err_msg=f"{n} by {factor}")


def test_nearest_exact_rounds_as_torch_on_small_and_large_images():
    for new in ((1, 41), (87, 41), (88, 41), (1, 123), (1, 141), (54, 218)):
        x = picture(2, 2, 1, dtype="float32")
        theirs = array(tvf.resize(tensor(x), list(new), interpolation="nearest-exact"))
        np.testing.assert_array_equal(F.resize(x, new, "nearest-exact"), theirs, err_msg=str(new))
        np.testing.assert_array_equal(functional.interpolate(x, new, mode="nearest-exact"), theirs, err_msg=str(new))


def test_second_derivative_is_that_of_a_linear_function():
    x = jnp.asarray(picture(6, 7, 2, dtype="float32"))

    def resize(x):
        return functional.interpolate(x, (4, 9), mode="bicubic", antialias=True)

    tangent = jnp.asarray(picture(6, 7, 2, dtype="float32")) - 0.5
    value, derivative = jax.jvp(jax.grad(lambda x: (resize(x) ** 2).sum() / 2), (x,), (tangent,))
    _, pullback = jax.vjp(resize, x)
    np.testing.assert_allclose(value, pullback(resize(x))[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(derivative, pullback(resize(tangent))[0], rtol=1e-5, atol=1e-5)


def test_a_sharded_batch_is_not_gathered():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    x = jax.device_put(picture(4, 9, 8, 3, dtype="float32"), jax.sharding.NamedSharding(mesh, jax.P("data")))
    gradient = jax.jit(jax.grad(lambda x: (functional.interpolate(x, (5, 12), mode="bilinear") ** 2).sum()))
    assert "all-gather" not in gradient.lower(x).compile().as_text()
    np.testing.assert_allclose(gradient(x), gradient(np.asarray(x)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", [np.asarray, jnp.asarray])
@pytest.mark.parametrize(("old", "new"), [((0, 4), (3, 3)), ((4, 0), (3, 3)), ((4, 4), (0, 3)), ((4, 4), (3, 0))])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_sides_of_no_pixels_are_refused(place, old, new, mode):
    from funcvision.vision.transforms.functional._resampling import Span, resample

    x = place(np.zeros((*old, 3), np.float32))
    with pytest.raises(ValueError, match="at least 1"):
        resample(x, Span(0, old[0]), Span(0, old[1]), new, interpolation=mode, antialias=True)
    with pytest.raises(ValueError, match="at least 1"):
        functional.interpolate(x, new, mode=mode)


def test_blocks_have_the_weights_of_the_taps():
    taps = _resample.filter_taps(
        53, 20, None, _resample.FILTERS["cubic_antialias"], align_corners=False, antialias=True, dtype=np.float64
    )
    starts, blocks = _resample_numpy._blocks(taps.index, taps.weight, 53, 6, np.float64)
    dense = np.zeros((24, 53))
    for i, start in enumerate(starts):
        dense[6 * i : 6 * i + 6, start : start + blocks.shape[2]] = blocks[i]
    expected = np.zeros((20, 53))
    np.add.at(expected, (np.arange(20)[:, None], taps.index), taps.weight)
    np.testing.assert_array_equal(dense[:20], expected)
