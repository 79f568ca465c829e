"""Operations on 8-bit integers against torch's with the engine "fbgemm": equal integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from funcvision import nn
from funcvision.quantize import fbgemm
from funcvision.quantize._products import _by_positions, _on_cpu

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*[Qq]uanti[sz]:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*[Qq]uanti[sz]:DeprecationWarning"),
]
# Torch's default engine, "x86", runs oneDNN where the processor has products of 8-bit integers, with other rounding.
ENGINE = "fbgemm"
NO_SATURATION = 128  # FBGEMM's kernels without VNNI, and its depthwise ones, saturate for larger inputs and weights


@pytest.fixture(autouse=True)
def engine():
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = ENGINE
    yield
    torch.backends.quantized.engine = before


def draw(rng, shape, largest=256):
    """A QTensor of images [N, H, W, C] or rows, and torch's."""
    values = rng.integers(0, largest, shape).astype(np.uint8)
    scale, zero_point = np.float32(rng.uniform(0.005, 0.05)), int(rng.integers(0, 128))
    moved = np.moveaxis(values, -1, 1) if values.ndim == 4 else values
    theirs = torch._make_per_tensor_quantized_tensor(torch.from_numpy(moved), float(scale), zero_point)
    if values.ndim == 4:
        theirs = theirs.contiguous(memory_format=torch.channels_last)
    return fbgemm.QTensor(jnp.asarray(values), jnp.asarray(scale), jnp.asarray(zero_point, jnp.int32)), theirs


def output(rng):
    return np.float32(rng.uniform(0.02, 0.08)), int(rng.integers(0, 128))


def assert_equal(ours, theirs):
    expected = theirs.int_repr().numpy()
    expected = np.moveaxis(expected, 1, -1) if expected.ndim == 4 else expected
    assert ours.values.dtype == jnp.uint8
    np.testing.assert_array_equal(ours.values, expected)
    assert len(np.unique(expected)) > 20, "a test with a few values shows little"
    assert float(ours.scale) == np.float32(theirs.q_scale())
    assert int(ours.zero_point) == theirs.q_zero_point()


def torch_weight(weight, scale):
    if scale.ndim:
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        return torch._make_per_channel_quantized_tensor(weight, torch.from_numpy(scale).double(), zeros, 0)
    return torch._make_per_tensor_quantized_tensor(weight, float(scale), 0)


def real_scale(products):
    """A scale with which outputs of so many products cover 0..255."""
    return np.float32(np.sqrt(products) * 37 * 37 * 0.02 * 0.01 / 40)


CONVOLUTIONS = {  # channels, out, kernel, stride, padding, dilation, groups
    "stem": (3, 16, (7, 7), 2, 3, 1, 1),
    "dense": (32, 24, (3, 3), 1, 1, 1, 1),
    "strided": (64, 24, (1, 1), 2, 0, 1, 1),
    "row": (32, 24, (1, 7), 1, (0, 3), 1, 1),
    "dilated": (24, 24, (3, 3), 1, 2, 2, 1),
    "depthwise": (24, 24, (3, 3), 2, 1, 1, 24),
    "depthwise odd": (29, 29, (5, 5), 1, 2, 1, 29),
    "grouped": (96, 96, (3, 3), 1, 1, 1, 12),
    "few channels, Winograd": (8, 16, (3, 3), 1, 1, 1, 1),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv2d(case):
    per_channel = case not in ("dense", "depthwise")
    channels, out, kernel, stride, padding, dilation, groups = CONVOLUTIONS[case]
    rng = np.random.default_rng(7)
    x, their_x = draw(rng, (2, 11, 12, channels), NO_SATURATION)
    weight = rng.integers(-128, 128, (out, channels // groups, *kernel)).astype(np.int8)
    weight_scale = rng.uniform(0.002, 0.02, out).astype(np.float32) if per_channel else np.float32(0.011)
    bias = rng.normal(0, 2, out).astype(np.float32)
    scale, zero_point = real_scale(weight[0].size), 77
    both = [[one] * 2 if isinstance(one, int) else list(one) for one in (stride, padding, dilation)]
    their_weight = torch_weight(torch.from_numpy(weight), weight_scale)
    relu = case in ("stem", "grouped", "depthwise")
    function = torch.ops.quantized.conv2d_relu if relu else torch.ops.quantized.conv2d
    packed = torch.ops.quantized.conv2d_prepack(their_weight, torch.from_numpy(bias), *both, groups)
    ours = jax.jit(lambda x, weight: fbgemm.quantized_conv2d(
        x, weight, weight_scale, bias, stride, padding, dilation, groups, scale=scale, zero_point=zero_point, relu=relu
    ))(x, weight.transpose(2, 3, 1, 0))  # fmt: skip
    assert_equal(ours, function(their_x, packed, float(scale), zero_point))


@pytest.mark.parametrize("per_channel", [True, False], ids=["per channel", "per tensor"])
def test_linear(per_channel):
    rng = np.random.default_rng(1)
    x, their_x = draw(rng, (5, 96), NO_SATURATION)
    weight = rng.integers(-128, 128, (300, 96)).astype(np.int8)
    weight_scale = rng.uniform(0.002, 0.02, 300).astype(np.float32) if per_channel else np.float32(0.011)
    bias = rng.normal(0, 2, 300).astype(np.float32)
    scale, zero_point = real_scale(96), 90
    packed = torch.ops.quantized.linear_prepack(
        torch_weight(torch.from_numpy(weight), weight_scale), torch.from_numpy(bias)
    )
    for relu, function in ((False, torch.ops.quantized.linear), (True, torch.ops.quantized.linear_relu)):
        ours = jax.jit(lambda x, weight, relu=relu: fbgemm.quantized_linear(
            x, weight, weight_scale, bias, scale=scale, zero_point=zero_point, relu=relu
        ))(x, weight.T)  # fmt: skip
        assert_equal(ours, function(their_x, packed, float(scale), zero_point))


@pytest.mark.parametrize("per_channel", [True, False], ids=["per channel", "per tensor"])
def test_sums_at_a_half(per_channel):
    """Half of the outputs are halfway between two integers, where the last bit of a bias or a factor decides."""
    rng = np.random.default_rng(8)
    weight, weight_scale = np.ones((64, 1), np.int8), np.full(64 if per_channel else (), 0.5, np.float32)
    apply = jax.jit(lambda x, weight_scale, bias, scale: fbgemm.quantized_linear(
        x, weight.T, weight_scale, bias, scale=scale, zero_point=100
    ))  # fmt: skip
    values = np.arange(256, dtype=np.uint8)[:, None]
    for scale in rng.uniform(0.005, 0.05, 20).astype(np.float32):
        bias = rng.integers(-250, 10, 64).astype(np.float32) * scale / 2
        packed = torch.ops.quantized.linear_prepack(
            torch_weight(torch.from_numpy(weight), weight_scale), torch.from_numpy(bias)
        )
        theirs = torch._make_per_tensor_quantized_tensor(torch.from_numpy(values), float(scale), 0)
        ours = apply(fbgemm.QTensor(jnp.asarray(values), jnp.asarray(scale), jnp.int32(0)), weight_scale, bias, scale)
        assert_equal(ours, torch.ops.quantized.linear(theirs, packed, float(scale), 100))


def test_quantize_and_dequantize():
    rng = np.random.default_rng(2)
    real = rng.normal(0, 2, (3, 11, 12, 7)).astype(np.float32)
    real[0] = np.round(real[0] * 16) / 32  # half of these are halfway between two integers
    scale, zero_point = np.float32(0.0625), 31
    theirs = torch.quantize_per_tensor(torch.from_numpy(real).permute(0, 3, 1, 2), scale, zero_point, torch.quint8)
    ours = fbgemm.quantize(real, scale, zero_point)
    assert_equal(ours, theirs)
    np.testing.assert_array_equal(fbgemm.dequantize(ours), theirs.dequantize().permute(0, 2, 3, 1))


def test_operations_of_two():
    rng = np.random.default_rng(3)
    shape = (2, 11, 12, 24)
    x, their_x = draw(rng, shape)
    y, their_y = draw(rng, shape)
    gate, their_gate = draw(rng, (2, 1, 1, 24))
    scale, zero_point = output(rng)
    options, theirs = {"scale": scale, "zero_point": zero_point}, (float(scale), zero_point)
    assert_equal(fbgemm.quantized_add(x, y, **options), torch.ops.quantized.add(their_x, their_y, *theirs))
    assert_equal(
        fbgemm.quantized_add(x, y, **options, relu=True), torch.ops.quantized.add_relu(their_x, their_y, *theirs)
    )
    assert_equal(fbgemm.quantized_mul(gate, y, **options), torch.ops.quantized.mul(their_gate, their_y, *theirs))
    assert_equal(fbgemm.quantized_cat([x, y], **options), torch.ops.quantized.cat([their_x, their_y], 1, *theirs))


def test_activations():
    rng = np.random.default_rng(4)
    x, theirs = draw(rng, (2, 11, 12, 24))
    scale, zero_point = output(rng)
    ours = fbgemm.quantized_hardswish(x, scale=scale, zero_point=zero_point)
    assert_equal(ours, torch.ops.quantized.hardswish(theirs, float(scale), zero_point))
    assert_equal(fbgemm.quantized_hardsigmoid(x), torch.nn.functional.hardsigmoid(theirs))
    assert_equal(fbgemm.quantized_relu(x), torch.relu(theirs))


def test_pooling():
    rng = np.random.default_rng(5)
    x, theirs = draw(rng, (2, 6, 10, 240))
    pools = torch.nn.functional
    assert_equal(
        fbgemm.quantized_max_pool2d(x, nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
        pools.max_pool2d(theirs, 3, 2, 1, ceil_mode=True),
    )
    assert_equal(fbgemm.quantized_avg_pool2d(x, nn.AvgPool2d(3, 1, 1)), pools.avg_pool2d(theirs, 3, 1, 1))
    assert_equal(fbgemm.quantized_adaptive_avg_pool2d(x), pools.adaptive_avg_pool2d(theirs, 1))
    x, theirs = draw(rng, (2, 7, 11, 240))
    assert_equal(fbgemm.quantized_mean(x), theirs.mean([2, 3]))


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_sums_are_exact_for_the_largest_integers(case):
    """Of inputs and weights of the largest magnitude, against 64-bit integers. Float32 cannot hold some of the sums."""
    channels, out, kernel, stride, _, dilation, groups = CONVOLUTIONS[case]
    channels, out = (channels * 8, out * 8) if groups == 1 and channels > 8 else (channels, out)
    rng = np.random.default_rng(6)
    x = rng.choice(np.array([-128, -127, 127], np.int8), (1, 11, 12, channels), p=[0.98, 0.01, 0.01])
    weight = rng.choice(np.array([-128, -127, 127], np.int8), (*kernel, channels // groups, out), p=[0.98, 0.01, 0.01])
    options = {"strides": (stride, stride), "dilation": (dilation, dilation), "groups": groups}
    exact = torch.nn.functional.conv2d(
        torch.from_numpy(x).permute(0, 3, 1, 2).double(), torch.from_numpy(weight).permute(3, 2, 0, 1).double(),
        stride=stride, dilation=dilation, groups=groups,
    ).permute(0, 2, 3, 1).numpy()  # fmt: skip
    for method in (_on_cpu, _by_positions):
        found = jax.jit(lambda x, w, method=method: method(x, w, **options))(x, weight)
        assert found.dtype == jnp.int32
        np.testing.assert_array_equal(found, exact)


def test_wrong_arguments():
    x = fbgemm.quantize(jnp.ones((1, 4, 4, 3)), 0.1, 0)
    with pytest.raises(ValueError, match=r"images \[batch, height, width, 8\] for a weight of shape \(1, 1, 8, 2\)"):
        fbgemm.quantized_conv2d(x, np.ones((1, 1, 8, 2), np.int8), 1.0, None, scale=1.0, zero_point=0)
    with pytest.raises(ValueError, match="takes an int8 weight of 2 axes; got float32"):
        fbgemm.quantized_linear(x, np.ones((3, 2), np.float32), 1.0, None, scale=1.0, zero_point=0)
