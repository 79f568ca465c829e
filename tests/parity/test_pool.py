"""Pooling against torch: value and gradient, every option; ties, NaN and infinities; integers and half types."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from tests.parity.reference import assert_close, assert_same_with_gradients, nchw, nhwc, random

SHAPES = {1: (2, 11, 3), 2: (1, 7, 10, 3), 3: (2, 5, 6, 7, 2)}

MAX_POOL = [
    (2, (2,), {}),
    (2, (3, 2, 1), {}),
    (2, (3, 2, 1, 1, True), {}),
    (2, ((2, 3),), {"stride": (1, 2), "padding": (1, 0)}),
    (2, (2, 2), {"padding": 1, "ceil_mode": True}),
    (2, (3,), {"stride": 1, "padding": 1, "dilation": 2}),
    (2, ((2, 3), 2), {"dilation": (3, 2), "ceil_mode": True}),
    (2, (1, 4), {"ceil_mode": True}),
    (2, (7, 1, 3), {}),
    (2, ((6, 9),), {"stride": 1}),
    (1, (3,), {}),
    (1, (5, 2, 2), {"ceil_mode": True}),
    (1, (11,), {}),
    (1, (5, 1, 2), {"dilation": 2}),
    (3, (2,), {}),
    (3, (3, 2, 1), {"ceil_mode": True}),
    (3, ((2, 3, 1), (1, 2, 3)), {"padding": (1, 1, 0), "dilation": (2, 1, 1)}),
]


def with_ties(x):
    """Appends a copy of the channels with many ties: two thirds of it are zeros, and the rest has two values."""
    return np.concatenate([x, np.maximum(np.round(x), 0)], -1)


@pytest.mark.parametrize(("axes", "args", "options"), MAX_POOL)
def test_max_pool(axes, args, options):
    x = with_ties(random(0, *SHAPES[axes]))
    ours, theirs = getattr(F, f"max_pool{axes}d"), getattr(TF, f"max_pool{axes}d")
    assert_same_with_gradients(
        lambda x: ours(x, *args, **options), lambda x: theirs(x, *args, **options), [x],
        to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize("options", [{"kernel_size": 3, "stride": 1}, {"kernel_size": 5, "dilation": (1, 2)}])
def test_max_pool_of_equal_elements(options):
    x = np.broadcast_to(np.array([0.0, -np.inf, np.inf], "float32"), (1, 8, 10, 3))
    assert_same_with_gradients(
        lambda x: F.max_pool2d(x, **options), lambda x: TF.max_pool2d(x, **options), [x],
        to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize("options", [{"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 6, "stride": 1}])
def test_max_pool_of_nan_is_nan_and_gives_it_the_gradient(options):
    x = random(0, 2, 9, 8, 2)
    x[0, 4, 4, 0] = x[1, 0, 0, 1] = np.nan
    x[1, 7, 7, 0] = np.inf
    x[1, 3, 3] = -np.inf
    assert_same_with_gradients(
        lambda x: F.max_pool2d(x, **options), lambda x: TF.max_pool2d(x, **options), [x],
        to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize(("axes", "args", "options"), MAX_POOL)
def test_indices_of_max_pool(axes, args, options):
    """Ties, NaN and windows of -inf, of which torch takes the first element that is not padding."""
    x = with_ties(random(0, *SHAPES[axes]))
    x[0, :3, ..., 0], x[0, 1, ..., 1] = -np.inf, np.nan
    ours, theirs = getattr(F, f"max_pool{axes}d"), getattr(TF, f"max_pool{axes}d")
    values, indices = jax.jit(lambda x: ours(x, *args, **options, return_indices=True))(x)
    expected = theirs(nchw(x), *args, **options, return_indices=True)
    assert_close(values, nhwc(expected[0]))
    assert_close(indices, nhwc(expected[1]).astype("int32"))
    assert_same_with_gradients(
        lambda x: ours(x, *args, **options, return_indices=True)[0], lambda x: theirs(x, *args, **options), [x],
        to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize(("axes", "size"), [(1, 4), (2, (3, 4)), (2, 1), (3, (2, 3, None))])
def test_indices_of_adaptive_max_pool(axes, size):
    x = with_ties(random(0, *SHAPES[axes]))
    x[0, :3, ..., 0], x[0, 1, ..., 1] = -np.inf, np.nan
    values, indices = getattr(F, f"adaptive_max_pool{axes}d")(x, size, return_indices=True)
    expected = getattr(TF, f"adaptive_max_pool{axes}d")(nchw(x), size, return_indices=True)
    assert_close(values, nhwc(expected[0]))
    assert_close(indices, nhwc(expected[1]).astype("int32"))


@pytest.mark.parametrize("stride", [2, 1])
def test_gradient_of_max_unpool(stride):
    """Windows with a stride of 1 overlap: elements that share a place all get its gradient."""
    x = random(0, 2, 6, 8, 3)
    pooled, indices = TF.max_pool2d(nchw(x), 2, stride, return_indices=True)
    places = jnp.asarray(nhwc(indices).copy())
    assert_same_with_gradients(
        lambda y: F.max_unpool2d(y, places, 2, stride), lambda y: TF.max_unpool2d(y, indices, (2, 2), (stride, stride)),
        [nhwc(pooled)],
        to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_max_pool_of_integers(dtype):
    x = np.random.default_rng(0).integers(-100, 100, (2, 7, 8, 3)).astype(dtype)
    assert_close(F.max_pool2d(x, 3, 2, 1), nhwc(TF.max_pool2d(nchw(x), 3, 2, 1)))


AVG_POOL = [
    (2, (2,), {}),
    (2, (3, 2, 1), {}),
    (2, (3, 2, 1, True), {}),
    (2, (3, 2, 1, True, False), {}),
    (2, (3, 2, 1, False, False), {}),
    (2, (3, 2, 1, True, True, 5), {}),
    (2, ((2, 3), (3, 1)), {"padding": (1, 0), "count_include_pad": False}),
    (2, ((4, 2), (3, 4)), {"padding": (2, 1), "ceil_mode": True}),
    (2, (2,), {"divisor_override": -3}),
    (2, (1, 4), {"ceil_mode": True}),
    (1, (3,), {}),
    (1, (4, 3, 2, True, True), {}),
    (1, (4, 3, 2, True, False), {}),
    (3, (2,), {}),
    (3, (3, 2, 1, True, False), {}),
    (3, ((2, 3, 1), (1, 2, 3)), {"padding": (1, 1, 0), "divisor_override": 4}),
]


@pytest.mark.parametrize(("axes", "args", "options"), AVG_POOL)
def test_avg_pool(axes, args, options):
    ours, theirs = getattr(F, f"avg_pool{axes}d"), getattr(TF, f"avg_pool{axes}d")
    assert_same_with_gradients(
        lambda x: ours(x, *args, **options), lambda x: theirs(x, *args, **options), [random(0, *SHAPES[axes])],
        to_torch=[nchw], from_torch=[nhwc],
    )


SIZES = [
    (2, 1), (2, (7, 5)), (2, (3, 4)), (2, (None, 4)), (2, (9, 13)), (2, (1, 6)),
    (1, 1), (1, 4), (3, 1), (3, (2, 3, None)),
]  # fmt: skip


@pytest.mark.parametrize(("axes", "size"), SIZES)
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pool(axes, size, kind):
    x = random(0, *SHAPES[axes])
    if kind == "max":
        x = with_ties(x)
    ours, theirs = getattr(F, f"adaptive_{kind}_pool{axes}d"), getattr(TF, f"adaptive_{kind}_pool{axes}d")
    assert_same_with_gradients(
        lambda x: ours(x, size), lambda x: theirs(x, size), [x], to_torch=[nchw], from_torch=[nhwc]
    )


@pytest.mark.parametrize("size", [2, 3])
def test_adaptive_pool_keeps_nan_and_infinity_in_their_windows(size):
    x = random(0, 1, 7, 8, 3)
    x[0, 0, 1, 0], x[0, 6, 6, 1], x[0, 3, 3, 2] = np.nan, np.inf, -np.inf
    for kind in ("avg", "max"):
        theirs = getattr(TF, f"adaptive_{kind}_pool2d")(nchw(x), size)
        assert_close(getattr(F, f"adaptive_{kind}_pool2d")(x, size), nhwc(theirs), what=kind)


LP_POOL = [
    (2, (2, 3), {}),
    (2, (2, (3, 2)), {"stride": 2, "ceil_mode": True}),
    (2, (1, 2, 1), {}),
    (2, (float("inf"), 3, 2), {}),
    (2, (-float("inf"), 2), {}),
    (1, (4, 3, 2), {"ceil_mode": True}),
    (3, (2, 2), {}),
]


@pytest.mark.parametrize(("axes", "args", "options"), LP_POOL)
def test_lp_pool(axes, args, options):
    ours, theirs = getattr(F, f"lp_pool{axes}d"), getattr(TF, f"lp_pool{axes}d")
    x = random(0, *SHAPES[axes])
    x = np.abs(x) if args[0] == 1 else np.where(np.abs(x) < 0.7, 0, x).astype("float32")
    if args[0] == 2:
        x[0, :3] = 0  # whole windows of zeros, where the root has no derivative
    assert_same_with_gradients(
        lambda x: ours(x, *args, **options), lambda x: theirs(x, *args, **options), [x],
        to_torch=[nchw], from_torch=[nhwc],
    )


def test_lp_pool_of_an_odd_power_is_nan_where_the_sum_is_negative():
    x = random(0, 1, 6, 6, 2)
    ours, theirs = F.lp_pool2d(x, 3, 2), nhwc(TF.lp_pool2d(nchw(x), 3.0, 2))
    assert np.isnan(theirs).any()
    assert_close(ours, theirs)


CALLS = {
    "max_pool2d": (3, 2, 1), "avg_pool2d": (3, 2, 1), "adaptive_avg_pool2d": (3,), "adaptive_max_pool2d": (3,),
    "lp_pool2d": (2.0, 3, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_bfloat16_is_returned(name):
    x = torch.from_numpy(random(0, 1, 3, 9, 8)).bfloat16()
    ours = getattr(F, name)(jnp.moveaxis(jnp.asarray(x.float().numpy(), "bfloat16"), 1, -1), *CALLS[name])
    assert_close(jnp.moveaxis(ours, -1, 1), getattr(TF, name)(x, *CALLS[name]))


@pytest.mark.parametrize("name", CALLS)
def test_float64_stays_float64(name):
    with jax.enable_x64(True):
        x = random(0, 2, 9, 8, 3, dtype="float64")
        assert_same_with_gradients(
            lambda x: getattr(F, name)(x, *CALLS[name]), lambda x: getattr(TF, name)(x, *CALLS[name]), [x],
            to_torch=[nchw], from_torch=[nhwc],
        )


def test_all_small_geometries_have_torchs_number_of_windows():
    for n, k, stride, ceil in itertools.product(range(1, 7), range(1, 5), range(1, 6), (False, True)):
        for p in range(k // 2 + 1):
            x = np.zeros((1, n, 1), "float32")
            ours = functools.partial(F.max_pool1d, kernel_size=k, stride=stride, padding=p, ceil_mode=ceil)
            try:
                expected = TF.max_pool1d(nchw(x), k, stride, p, ceil_mode=ceil)
            except RuntimeError:
                with pytest.raises(ValueError, match="larger than the padded image"):
                    jax.eval_shape(ours, x)
            else:
                assert jax.eval_shape(ours, x).shape == nhwc(expected).shape, (n, k, stride, p, ceil)


def test_all_small_geometries_have_torchs_divisors():
    x = random(0, 1, 5, 1)
    for k, stride, include in itertools.product((2, 3, 4), (1, 2, 3, 4), (False, True)):
        args = (k, stride, k // 2, True, include)
        assert_close(F.avg_pool1d(x, *args), nhwc(TF.avg_pool1d(nchw(x), *args)), what=str(args))


@pytest.mark.parametrize(("name", "args"), [
    *((f"max_pool{n}d_with_indices", (3, 2, 1)) for n in "123"),
    *((f"adaptive_max_pool{n}d_with_indices", (3,)) for n in "123"),
])
def test_pools_that_always_return_indices(name, args):
    x = random(0, *SHAPES[int(name.split("pool")[1][0])])
    values, indices = jax.jit(lambda x: getattr(F, name)(x, *args))(x)
    expected = getattr(TF, name)(nchw(x), *args)
    assert_close(values, nhwc(expected[0]))
    assert_close(indices, nhwc(expected[1]).astype("int32"))
