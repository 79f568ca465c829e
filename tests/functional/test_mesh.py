"""Functions on sharded arrays, on both kinds of mesh: equal to one device, sharded as documented, no array gathered."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from funcvision import functional as F
from funcvision import nn
from funcvision.functional._conv import xla
from funcvision.functional._conv.cpu import kernel_rows, winograd
from funcvision.functional._conv.geometry import Geometry

KINDS = pytest.mark.parametrize("kind", [AxisType.Explicit, AxisType.Auto], ids=["explicit", "auto"])
MOVES = re.compile(r"(all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(")


def draw(*shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).standard_normal(shape), jnp.float32)


def conv(weight, **options):
    return lambda x, w: F.conv2d(x, w, **options), (draw(4, 8, 8, 16), draw(*weight))


def transposed(weight, **options):
    return lambda x, w: F.conv_transpose2d(x, w, **options), (draw(4, 8, 8, 16), draw(*weight))


IMAGES, ROWS, SEQUENCES = draw(4, 8, 8, 16), draw(4, 16), draw(4, 5, 16)
CHANNEL = draw(16)
CLASSES = jnp.arange(4)

# A function, and its operands: the first is sharded by its first axis, the others are replicated.
FUNCTIONS = {
    "conv 1x1": conv((1, 1, 16, 6)),
    "conv": conv((3, 3, 16, 6), padding=1),
    "conv strided": conv((3, 3, 16, 32), stride=2, padding=1),
    "conv of patches": conv((4, 4, 16, 6), stride=4),
    "conv grouped": conv((3, 3, 4, 8), padding=1, groups=4),
    "conv depthwise": conv((3, 3, 1, 16), padding=1, groups=16),
    "conv depthwise strided": conv((3, 3, 1, 32), stride=2, padding=1, groups=16),
    "conv depthwise large": conv((9, 9, 1, 16), padding=4, groups=16),
    "conv transposed": transposed((3, 3, 16, 6), stride=2, padding=1),
    "conv transposed depthwise": transposed((3, 3, 16, 1), padding=1, groups=16),
    "linear": (F.linear, (SEQUENCES, draw(16, 8), draw(8))),
    "bilinear": (lambda x, w: F.bilinear(x, x + 1, w), (ROWS, draw(8, 16, 16))),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, jnp.zeros(16), jnp.ones(16), w, b, train=True)[0], (IMAGES, CHANNEL, CHANNEL)
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, 16, w, b), (IMAGES, CHANNEL, CHANNEL)),
    "group_norm": (lambda x, w, b: F.group_norm(x, 4, w, b), (IMAGES, CHANNEL, CHANNEL)),
    "prelu": (F.prelu, (IMAGES, CHANNEL)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), (IMAGES,)),
    "adaptive_avg_pool2d that divides": (lambda x: F.adaptive_avg_pool2d(x, 2), (IMAGES,)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 3), (IMAGES,)),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (2, 3)), (IMAGES,)),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (IMAGES,)),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), (IMAGES,)),
    "interpolate": (lambda x: F.interpolate(x, size=(5, 11), mode="bicubic"), (IMAGES,)),
    "interpolate nearest": (lambda x: F.interpolate(x, size=(5, 11)), (IMAGES,)),
    "pad replicate": (lambda x: F.pad(x, (1, 2, 2, 1), mode="replicate"), (IMAGES,)),
    "pad reflect": (lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"), (IMAGES,)),
    "pad circular": (lambda x: F.pad(x, (1, -2, 2, 1), mode="circular"), (IMAGES,)),
    "attention with a mask": (
        lambda x, mask: F.scaled_dot_product_attention(x, x, x, mask), (draw(4, 2, 5, 8), draw(5, 5))
    ),
    "cross_entropy": (lambda x, w: F.cross_entropy(x, CLASSES, jnp.abs(w)), (ROWS, CHANNEL)),
    "embedding": (lambda x, w: x[..., :1] * F.embedding((x[..., 0] > 0).astype(jnp.int32), w), (ROWS, draw(10, 16))),
    "unfold": (lambda x: F.unfold(x, 3, padding=1, stride=2), (IMAGES,)),
    "fold": (lambda x: F.fold(x, (4, 4), 2, stride=2), (draw(4, 4, 16),)),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 2), (IMAGES,)),
    "fractional_max_pool2d": (
        lambda x: F.fractional_max_pool2d(x, 2, 3, _random_samples=jnp.full((4, 16, 2), 0.4)), (IMAGES,)
    ),
    "embedding_bag": (
        lambda x, w: x * F.embedding_bag((x[:, :3] > 0).astype(jnp.int32), w), (ROWS, draw(10, 16))
    ),
    "multilabel_soft_margin_loss": (lambda x, w: F.multilabel_soft_margin_loss(x, jnp.abs(x), w), (ROWS, CHANNEL)),
    "multilabel_margin_loss": (
        lambda x: F.multilabel_margin_loss(x, (x > 0).astype(jnp.int32)), (ROWS,)
    ),
    "linear_cross_entropy": (lambda x, w: F.linear_cross_entropy(x, w, CLASSES), (ROWS, draw(16, 9))),
}


def value_and_gradients(function):
    def compute(*arrays):
        total = lambda *arrays: jnp.sum(jnp.sin(function(*arrays)))
        return function(*arrays), jax.grad(total, tuple(range(len(arrays))))(*arrays)

    return jax.jit(compute)


def assert_close(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(abs(b).max(), 1))


@KINDS
@pytest.mark.parametrize(("function", "arrays"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_sharded_batch_is_never_moved(function, arrays, kind):
    """Value and gradients are those of one device, although the mesh is known from the arrays only."""
    expected = value_and_gradients(function)(*arrays)
    mesh = jax.make_mesh((2,), ("data",), (kind,))
    specs = [PartitionSpec("data"), *[PartitionSpec()] * (len(arrays) - 1)]
    sharded = [jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in zip(arrays, specs, strict=True)]
    compiled = value_and_gradients(function).lower(*sharded).compile()
    found = compiled(*sharded)
    assert_close(found, expected)
    assert MOVES.findall(compiled.as_text()) == []
    assert found[1][0].sharding.is_equivalent_to(sharded[0].sharding, arrays[0].ndim)


IN_BLOCKS = {
    "value": functools.partial(winograd.value, size=4),
    "weight gradient": functools.partial(winograd.weight_gradient, size=4),
    "weight gradient by rows of the kernel": kernel_rows.weight_gradient,
}


@pytest.mark.parametrize("name", IN_BLOCKS)
@pytest.mark.parametrize("block", [1 << 14, 1 << 17], ids=["strips of an image", "some images"])
@pytest.mark.parametrize("images", [4, 10])
def test_blocks_have_images_of_each_device(name, block, images, monkeypatch):
    """A loop over blocks of a sharded batch: each device computes with its own images."""
    monkeypatch.setattr(winograd, "_MAX_BLOCK_BYTES", block)
    monkeypatch.setattr(kernel_rows, "_MAX_BLOCK_BYTES", block)
    geometry = Geometry((13, 12), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    mesh = jax.make_mesh((2,), ("data",), (AxisType.Auto,))
    batch, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    x, y, weight = draw(images, 13, 12, 8), draw(images, 13, 12, 16), draw(3, 3, 8, 16)
    method, is_value = IN_BLOCKS[name], name == "value"
    reference, other = (xla.value, weight) if is_value else (xla.weight_gradient, y)
    sharded = jax.device_put(x, batch), jax.device_put(other, whole if is_value else batch)
    compiled = jax.jit(lambda *a: method(*a, geometry._replace(devices=2))).lower(*sharded).compile()
    assert_close(compiled(*sharded), reference(x, other, geometry=geometry))
    assert MOVES.findall(compiled.as_text()) == []


@pytest.mark.parametrize("spec", [("data", "model"), ("data", None), ("model", "data")])
def test_output_channels_of_a_convolution_are_sharded_like_the_weight(spec):
    """An axis of the mesh that shards the images as well shards the images only."""
    batch, channels = spec
    mesh = jax.make_mesh((2, 1), ("data", "model"), (AxisType.Explicit,) * 2)
    weight = jax.device_put(draw(3, 3, 16, 6), NamedSharding(mesh, PartitionSpec(None, None, None, channels)))
    x = jax.device_put(IMAGES, NamedSharding(mesh, PartitionSpec(batch)))
    y = jax.jit(F.conv2d)(x, weight)
    assert jax.typeof(y).sharding.spec == PartitionSpec(batch, None, None, channels)
    fully_sharded = jax.device_put(weight, NamedSharding(mesh, PartitionSpec(None, None, None, batch)))
    y = jax.jit(F.conv2d)(x, fully_sharded)
    assert jax.typeof(y).sharding.spec == PartitionSpec(batch, None, None, None)
    gradient = jax.jit(jax.grad(lambda w, x: F.conv2d(x, w).sum()))(fully_sharded, x)
    assert gradient.sharding.is_equivalent_to(fully_sharded.sharding, 4)


def test_vmap_over_a_sharded_axis():
    mesh = jax.make_mesh((2,), ("data",), (AxisType.Explicit,))
    function = jax.vmap(jax.grad(lambda w, x: jnp.sum(jnp.sin(F.conv2d(x, w, padding=1)))), (None, 0))
    weight, whole = draw(3, 3, 16, 2), NamedSharding(mesh, PartitionSpec())
    with jax.set_mesh(mesh):
        found = jax.jit(function)(jax.device_put(weight, whole), jax.device_put(IMAGES, PartitionSpec("data")))
    assert jax.typeof(found).sharding.spec[0] == "data"
    assert_close(found, jax.jit(function)(weight, IMAGES))


@KINDS
def test_new_running_statistics_are_sharded_like_the_old(kind):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    params, state = model.init(jax.random.key(0))
    mesh = jax.make_mesh((2,), ("data",), (kind,))
    last = lambda a: NamedSharding(mesh, PartitionSpec(*[None] * (a.ndim - 1), "data") if a.ndim else PartitionSpec())
    sharded = jax.tree.map(lambda a: jax.device_put(a, last(a)), (params, state))
    x = jax.device_put(draw(4, 6, 6, 3), NamedSharding(mesh, PartitionSpec("data")))
    step = jax.jit(lambda params, state, x: model.apply(params, state, x, train=True))
    y, new = step(*sharded, x)
    assert_close((y, new), step(params, state, draw(4, 6, 6, 3)))
    if kind == AxisType.Explicit:
        assert {name: a.sharding for name, a in new.items()} == {name: a.sharding for name, a in sharded[1].items()}


@KINDS
@pytest.mark.parametrize("model", [
    nn.MultiheadAttention(16, 4, batch_first=True, add_bias_kv=True, add_zero_attn=True),
    nn.LSTM(16, 8, batch_first=True, bidirectional=True),
    nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0),
], ids=lambda model: type(model).__name__)
def test_layers_with_sharded_parameters(model, kind):
    params, state = model.init(jax.random.key(0))
    several = isinstance(model, nn.MultiheadAttention)

    def total(params, x):
        output, _ = model.apply(params, state, *[x] * (3 if several else 1), train=True)
        return jnp.sum(jnp.sin(jax.tree.leaves(output)[0]))

    step = jax.jit(jax.value_and_grad(total))
    mesh = jax.make_mesh((2,), ("data",), (kind,))
    sharded = {k: jax.device_put(a, NamedSharding(mesh, PartitionSpec(*[None] * (a.ndim - 1), "data")))
               for k, a in params.items()}
    loss, gradients = step(sharded, jax.device_put(SEQUENCES, NamedSharding(mesh, PartitionSpec("data"))))
    assert_close((loss, gradients), step(params, SEQUENCES))
    for name, gradient in gradients.items():
        if kind == AxisType.Explicit:
            assert gradient.sharding == sharded[name].sharding, name
