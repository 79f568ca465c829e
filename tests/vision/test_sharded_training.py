"""A training step of models on two devices, on both kinds of mesh: equal to one device, and no image is moved."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from funcvision import functional as F
from funcvision.vision import models

KINDS = pytest.mark.parametrize("kind", [AxisType.Explicit, AxisType.Auto], ids=["explicit", "auto"])
SHARDED_PARAMETERS = pytest.mark.parametrize("shard_parameters", [False, True], ids=["replicated", "sharded"])
BATCH = 8
MOVES = re.compile(r"= \(?\w+\[([\d,]*)\].* (all-gather|all-to-all|collective-permute)(?:-start)?\(")

SMALL = {
    "depthwise convolutions": (models.MobileNetV2(
        8, width_mult=0.25, inverted_residual_setting=((1, 16, 1, 1), (6, 24, 2, 2)), dropout=0.0), 32),
    "shifted windows": (models.SwinTransformer(
        8, patch_size=2, embed_dim=8, depths=(2, 1), num_heads=(2, 2), window_size=4, stochastic_depth_prob=0.0), 24),
    "a class token": (models.VisionTransformer(
        image_size=16, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=8), 16),
}
ZOO = {
    "alexnet": 64, "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "efficientnet_v2_s": 32,
    "googlenet": 64, "inception_v3": 299, "maxvit_t": 224, "mnasnet0_5": 32, "mobilenet_v2": 32,
    "mobilenet_v3_small": 32, "regnet_x_400mf": 32, "regnet_y_400mf": 32, "resnet18": 32, "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 32, "squeezenet1_1": 32, "swin_t": 32, "swin_v2_t": 32, "vgg11_bn": 32, "vit_b_16": 32,
}
OPTIONS = {"vit_b_16": {"image_size": 32}}


@functools.cache
def build(name):
    return models.get_model(name, num_classes=8, **OPTIONS.get(name, {}))


def training_step(model):
    def step(params, state, images, labels, key):
        def objective(params):
            output, new_state = model.apply(params, state, images, train=True, key=key)
            logits = output if isinstance(output, jax.Array) else output[0]
            return F.cross_entropy(logits, labels), new_state

        (loss, state), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        return loss, gradients, state

    return jax.jit(step)


def by_last_axis(mesh, array):
    """The sharding of a parameter over "data", along its output channels, if the mesh divides them."""
    is_divisible = array.ndim and array.shape[-1] % mesh.size == 0
    return NamedSharding(mesh, PartitionSpec(*[None] * (array.ndim - 1), "data") if is_divisible else PartitionSpec())


@functools.lru_cache(1)  # the cases of one model follow each other
def on_one_device(model, size):
    """The step, its operands and its result."""
    params, state = model.init(jax.random.key(0), dtype=jnp.float64)
    images = jnp.asarray(np.random.default_rng(0).standard_normal((BATCH, size, size, 3)))
    step, operands = training_step(model), (params, state, images, jnp.arange(BATCH) % 8, jax.random.key(1))
    return step, operands, step(*operands)


def assert_step_equal(model, size, kind, *, shard_parameters):
    """The step on two devices has the loss, gradients and statistics of one device.

    No collective moves an activation: what is gathered has no more elements than the largest parameter, and nothing is
    gathered if the parameters are replicated.
    """
    step, (params, state, images, labels, key), expected = on_one_device(model, size)
    mesh = jax.make_mesh((2,), ("data",), (kind,))
    batch, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    place = (lambda a: by_last_axis(mesh, a)) if shard_parameters else (lambda a: whole)
    arrays = [
        *(jax.tree.map(lambda a: jax.device_put(a, place(a)), tree) for tree in (params, state)),
        *(jax.device_put(a, batch) for a in (images, labels)), jax.device_put(key, whole),
    ]
    compiled = step.lower(*arrays).compile()
    found = compiled(*arrays)

    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        scale = max(float(abs(b).max()), 1e-3)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=1e-7 * scale)
    moved = [math.prod(map(int, shape.split(","))) for shape, _ in MOVES.findall(compiled.as_text()) if shape]
    if not shard_parameters:
        assert moved == []
    elif kind == AxisType.Explicit:
        assert moved
        assert max(moved) <= max(a.size for a in params.values())
        for name, gradient in found[1].items():
            assert gradient.sharding.is_equivalent_to(arrays[0][name].sharding, gradient.ndim), name


@KINDS
@SHARDED_PARAMETERS
@pytest.mark.parametrize(("model", "size"), SMALL.values(), ids=SMALL)
@jax.enable_x64(True)
def test_small_models(model, size, kind, shard_parameters):
    assert_step_equal(model, size, kind, shard_parameters=shard_parameters)


@pytest.mark.slow
@KINDS
@SHARDED_PARAMETERS
@pytest.mark.parametrize("name", ZOO)
@jax.enable_x64(True)
def test_all_families(name, kind, shard_parameters):
    assert_step_equal(build(name), ZOO[name], kind, shard_parameters=shard_parameters)
