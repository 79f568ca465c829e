"""Activations against torch: value and derivative at random points, at every kink, and at large inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as T

import funcvision.functional as F
from funcvision import nn

from .reference import assert_close, assert_same_with_gradients, back, random, same

KINKS = [0.0, -0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 1.5, 2.0, 3.0, -3.0, 6.0, -6.0]
JUST_BESIDE = [float(np.nextafter(np.float32(x), np.float32(way))) for x in (3.0, -3.0, 6.0, 0.5) for way in (-9, 9)]
FAR = [1e4, -1e4, 1e30, -1e30]

ELEMENTWISE = {
    "relu": {}, "relu6": {}, "elu": {}, "elu-2": {"alpha": 2.0}, "elu-negative": {"alpha": -0.5}, "selu": {},
    "celu": {}, "celu-2": {"alpha": 2.0}, "gelu": {}, "gelu-tanh": {"approximate": "tanh"}, "leaky_relu": {},
    "leaky_relu-negative": {"negative_slope": -0.5}, "rrelu": {}, "rrelu-fixed": {"lower": 0.25, "upper": 0.25},
    "silu": {}, "mish": {}, "softplus": {}, "softplus-beta": {"beta": 2.0, "threshold": 40.0},
    "softplus-threshold": {"threshold": 3.0}, "softsign": {}, "softshrink": {}, "softshrink-3": {"lambd": 3.0},
    "softshrink-0": {"lambd": 0.0}, "hardshrink": {}, "hardshrink-negative": {"lambd": -1.0}, "tanhshrink": {},
    "threshold": {"threshold": 1.0, "value": 7.0}, "hardtanh": {}, "hardtanh-wide": {"min_val": -3.0, "max_val": 1.5},
    "hardsigmoid": {}, "hardswish": {}, "sigmoid": {}, "tanh": {}, "logsigmoid": {},
}
TORCH_DERIVATIVE_IS_WRONG = ("gelu-tanh", "softsign")  # for large inputs: NaN, and cancellation


def functions(name):
    function, options = name.split("-")[0], ELEMENTWISE[name]
    return lambda x: getattr(F, function)(x, **options), lambda x: getattr(T, function)(x, **options)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    ours, theirs = functions(name)
    x = np.float32([*KINKS, *JUST_BESIDE, *4 * random(0, 10), *FAR])
    half = jnp.asarray([*3 * random(1, 40), np.nan], jnp.bfloat16)
    tensor = same(x).requires_grad_()
    expected = theirs(tensor)
    (derivative,) = torch.autograd.grad(expected.sum(), tensor)

    def run(x, half):
        value, pullback = jax.vjp(ours, x)
        return value, *pullback(jnp.ones_like(value)), ours(half)

    value, ours_derivative, half_value = jax.jit(run)(x, half)
    # Ranges are compared separately, because the tolerance is relative to the largest value.
    for what, part in {"near": slice(32), "1e4": slice(32, 34), "1e30": slice(34, 36)}.items():
        assert_close(value[part], expected[part], what=f"value at {what}")
        if name in TORCH_DERIVATIVE_IS_WRONG and what != "near":
            assert np.isfinite(ours_derivative[part]).all()
        else:
            assert_close(ours_derivative[part], derivative[part], what=f"derivative at {what}")
    assert_close(half_value, theirs(torch.from_numpy(np.asarray(half, np.float32)).bfloat16()), what="bfloat16")


@pytest.mark.parametrize("shape", [(4,), (2, 6), (2, 3, 5, 4)])
@pytest.mark.parametrize("dim", [0, -1])
def test_glu(shape, dim):
    if shape[dim] % 2:
        shape = (2, *shape[1:])
    x = random(2, *shape)
    assert_same_with_gradients(
        lambda x: F.glu(x, dim), lambda x: T.glu(x, dim), [x], to_torch=[same], from_torch=[back], out=back
    )


@pytest.mark.parametrize("slopes", [1, 5])
def test_prelu_slopes_belong_to_the_last_axis(slopes):
    x, weight = random(3, 2, 3, 4, 5), random(4, slopes)
    x[0, 0, 0] = 0  # at the kink
    assert_same_with_gradients(
        F.prelu, lambda x, w: T.prelu(x.movedim(-1, 1), w).movedim(1, -1), [x, weight],
        to_torch=[same, same], from_torch=[back, back], out=back,
    )


def test_rrelu_while_training_with_equal_bounds():
    x = random(5, 3, 4)
    expected = T.rrelu(same(x), 0.3, 0.3, training=True)
    assert_close(F.rrelu(jnp.asarray(x), 0.3, 0.3, training=True, key=jax.random.key(0)), expected)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize(
    ("dtype", "shape", "dim"), [("float32", (5,), -1), ("float32", (3, 5), 0), ("float64", (2, 3, 1, 4), 1)]
)
def test_softmax_family(name, dtype, shape, dim):
    x = random(6, *shape, dtype=dtype)
    with jax.enable_x64(dtype == "float64"):
        assert_same_with_gradients(
            lambda x: getattr(F, name)(x, dim), lambda x: getattr(T, name)(x, dim), [x],
            to_torch=[same], from_torch=[back], out=back,
        )


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_large_and_infinite_numbers(name):
    x = np.float32([[0.0, -np.inf, 1.0], [1e4, 3e38, -3e38], [-np.inf, -np.inf, -np.inf]])
    assert_close(getattr(F, name)(jnp.asarray(x)), getattr(T, name)(same(x), -1))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_family_accumulates_half_precision_in_float32(name):
    x = jnp.asarray(random(7, 2, 3000), jnp.bfloat16)  # in bfloat16 a sum of 3000 terms stops growing at 256
    expected = getattr(T, name)(torch.from_numpy(np.asarray(x, np.float32)).bfloat16(), -1)
    assert_close(getattr(F, name)(x), expected)


LAYERS = [
    ("ReLU", (True,), {}), ("ReLU6", (), {"inplace": True}), ("SELU", (), {}), ("SiLU", (), {}), ("Mish", (), {}),
    ("Hardsigmoid", (), {}), ("Hardswish", (), {}), ("Sigmoid", (), {}), ("LogSigmoid", (), {}), ("Tanh", (), {}),
    ("Tanhshrink", (), {}), ("Softsign", (), {}), ("ELU", (0.5, True), {}), ("CELU", (0.5,), {}),
    ("GELU", ("tanh",), {}), ("LeakyReLU", (0.2, True), {}), ("Threshold", (0.3, 7.0), {}),
    ("Hardtanh", (-0.5, 0.7), {}), ("Softplus", (2.0, 1.0), {}),
    ("Softshrink", (0.3,), {}), ("Hardshrink", (0.3,), {}), ("GLU", (1,), {}),
    ("Softmax", (1,), {}), ("LogSoftmax", (1,), {}), ("Softmin", (1,), {}), ("RReLU", (0.1, 0.5), {}),
    ("PReLU", (1, 0.4), {}), ("PReLU", (4,), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), LAYERS)
def test_layers(name, args, options):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options).eval()
    x = random(8, 3, 4)
    params, state = ours.init(jax.random.key(0))
    y, _ = ours.apply(params, state, jnp.asarray(x))
    assert_close(y, theirs(same(x)), rtol=1e-5)
    assert params.keys() == theirs.state_dict().keys()
    assert not state
