"""RAFT against torchvision's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision
from torchvision.models import optical_flow as reference

from funcvision.vision import models
from funcvision.vision.models.optical_flow import raft
from funcvision.vision.models.optical_flow._correlation import OnDemand, Volume
from tests.parity.layers import QUICKLY, arrays_of, randomise, stored
from tests.parity.reference import assert_close, random

NAMES = models.list_models("optical_flow")


@pytest.fixture(autouse=True)
def _in_double(monkeypatch):
    """torchvision makes coordinates in float32."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _images():
    return [random(seed, 1, 128, 144, 3, dtype="float64", low=-1) for seed in range(2)]


def _calm(theirs):
    """Small changes of the flow, so that a rounding error is not amplified from update to update."""
    with torch.no_grad():
        theirs.update_block.flow_head.conv2.weight.mul_(0.1)


@pytest.mark.parametrize("name", [pytest.param("raft_large", marks=pytest.mark.slow), "raft_small"])
def test_flows_and_gradients(name):
    theirs = getattr(reference, name)().double().eval()
    ours = models.get_model(name)
    with jax.enable_x64(True):
        randomise(theirs)
        _calm(theirs)
        params, state = arrays_of(ours, theirs)
        images = _images()
        tensors = [torch.from_numpy(image).permute(0, 3, 1, 2) for image in images]
        expected = theirs(*tensors, num_flow_updates=2)
        cotangents = [random(9 + i, 1, 128, 144, 2, dtype="float64") for i in range(2)]
        sum((flow * torch.from_numpy(c).permute(0, 3, 1, 2)).sum() for flow, c in zip(expected, cotangents)).backward()

        @functools.partial(jax.jit, compiler_options=QUICKLY)
        def run(params, first, second):
            def total(params):
                flows, _ = ours.apply(params, state, first, second, num_flow_updates=2)
                return (flows * jnp.stack(cotangents)).sum(), flows

            return jax.value_and_grad(total, has_aux=True)(params)

        (_, flows), gradients = run(params, *images)
    for flow, wanted in zip(flows, expected, strict=True):
        assert_close(flow, wanted.permute(0, 2, 3, 1), rtol=1e-8)
    declared = ours.declarations()
    for key, parameter in theirs.named_parameters():
        wanted = stored(parameter.grad, declared[key])
        if np.abs(wanted).max() > 1e-12:  # of a bias before a norm it is zero
            assert_close(gradients[key], wanted, rtol=1e-7, what=key)


def test_the_last_flow_alone_and_correlation_on_demand():
    model = models.get_model("raft_small")
    params, state = jax.jit(model.init)(jax.random.key(0))
    images = [image.astype(np.float32) for image in _images()]
    run = jax.jit(model.apply, static_argnames=("num_flow_updates", "last_only"))
    flows, _ = run(params, state, *images, num_flow_updates=3)
    last, _ = run(params, state, *images, num_flow_updates=3, last_only=True)
    assert flows.shape == (3, 1, 128, 144, 2)
    np.testing.assert_allclose(last, flows[-1], atol=1e-4)
    on_demand = models.get_model("raft_small", correlation="on_demand")
    other, _ = jax.jit(on_demand.apply, static_argnames=("num_flow_updates",))(
        params, state, *images, num_flow_updates=3
    )
    np.testing.assert_allclose(other, flows, atol=1e-4 * np.abs(flows).max())


@pytest.mark.parametrize("kind", [Volume, OnDemand])
def test_lookups_far_outside_are_zero(kind):
    maps = [random(seed, 1, 16, 16, 8) for seed in range(2)]
    pyramid = kind(*map(jnp.asarray, maps), 4, 3)
    places = jnp.full((1, 16, 16, 2), 1e4).at[0, :8].set(-1e4)
    assert not np.any(pyramid.look_up(places))
    assert np.any(pyramid.look_up(jnp.full((1, 16, 16, 2), 3.3)))


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes(name):
    with torch.device("meta"):
        theirs = getattr(reference, name)()
    declared = models.get_model(name).declarations()
    assert {key: one.shape for key, one in declared.items()} == {
        key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()
    }


def test_the_same_models_as_torchvision():
    assert torchvision.models.list_models(module=reference) == NAMES


def test_sizes():
    model = models.get_model("raft_small")
    arrays = jax.eval_shape(model.init, jax.random.key(0))
    for shape in ((1, 132, 128, 3), (1, 64, 128, 3)):
        with pytest.raises(ValueError, match="multiples of 8 and at least 128 pixels"):
            jax.eval_shape(model.apply, *arrays, *[jax.ShapeDtypeStruct(shape, jnp.float32)] * 2)
    with pytest.raises(ValueError, match="correlation='sparse' must be"):
        models.get_model("raft_small", correlation="sparse")


@pytest.mark.parametrize("name", NAMES)
def test_operations(name):
    """torchvision counts them for 512 x 512 pixels, and does not count the mixing of neighbours of raft_large."""
    images = [jax.ShapeDtypeStruct((1, 512, 512, 3), jnp.float32)] * 2
    mixing = 12 * 64 * 64 * 9 * 64 * 2 if name == "raft_large" else 0
    counted = models.count_operations(models.get_model(name), *images) - mixing
    assert counted / 1e9 == pytest.approx(models.find_weights(name, "DEFAULT").gflops, abs=6e-4)


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights(name):
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    theirs = dict(getattr(reference, name)().named_parameters())
    params, _ = jax.jit(models.get_model(name).init)(jax.random.key(0))
    for key, tensor in theirs.items():
        if tensor.numel() > 2000:
            assert np.isclose(np.std(params[key]), tensor.detach().std(), rtol=0.1), key


def test_other_parts_and_channels():
    mask = raft.MaskPredictor(96, 16)
    model = models.get_model("raft_small", mask_predictor=mask, in_channels=1, num_levels=2, radius=2)
    arrays = jax.eval_shape(model.init, jax.random.key(0))
    assert model.declarations()["mask_predictor.conv.weight"].shape == (576, 16, 1, 1)
    assert model.declarations()["update_block.motion_encoder.convcorr1.0.weight"].shape[1] == 2 * 25
    flow, _ = jax.eval_shape(
        lambda params, state, image: model.apply(params, state, image, image, num_flow_updates=2, last_only=True),
        *arrays, jax.ShapeDtypeStruct((1, 32, 40, 1), jnp.float32),
    )
    assert flow.shape == (1, 32, 40, 2)


def test_preset():
    torch.set_default_dtype(torch.float32)
    images = [np.random.default_rng(seed).integers(0, 256, (2, 9, 7, 3), np.uint8) for seed in range(2)]
    theirs = torchvision.transforms._presets.OpticalFlow()(*(torch.from_numpy(x).permute(0, 3, 1, 2) for x in images))
    for ours, expected in zip(models.find_weights("raft_small", "DEFAULT").transforms()(*images), theirs, strict=True):
        assert_close(ours, expected.permute(0, 2, 3, 1), rtol=1e-6)
