"""Convolution and norm layers against torch's: constructor arguments, gradients, running statistics over steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from funcvision import nn
from tests.parity.layers import arrays_of, assert_layer_equal, randomise
from tests.parity.reference import assert_close, nchw, nhwc, random

CONVOLUTIONS = [
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 9, 4)),
    ("Conv2d", (4, 6, 3), {}, (2, 7, 5, 4)),
    ("Conv2d", (4, 6, (3, 1)), {"stride": (2, 1), "padding": (1, 0), "bias": False}, (1, 7, 5, 4)),
    ("Conv2d", (4, 8, 3), {"padding": 2, "dilation": 2, "groups": 4}, (2, 7, 5, 4)),
    ("Conv2d", (4, 6, 4), {"padding": "same", "padding_mode": "reflect"}, (2, 7, 6, 4)),
    ("Conv2d", (4, 6, 3), {"padding": (2, 1), "padding_mode": "circular", "stride": 2}, (2, 7, 6, 4)),
    ("Conv2d", (4, 6, 3), {"padding": 1, "padding_mode": "replicate"}, (2, 7, 6, 4)),
    ("Conv2d", (4, 6, 3), {"padding": "valid", "padding_mode": "reflect"}, (2, 7, 6, 4)),
    ("Conv3d", (4, 6, 3), {"stride": (1, 2, 2), "padding": (0, 1, 1), "groups": 2}, (1, 4, 5, 6, 4)),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 9, 4)),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (2, 5, 4, 4)),
    ("ConvTranspose3d", (4, 6, 2), {"bias": False, "dilation": 2}, (1, 3, 4, 3, 4)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), CONVOLUTIONS)
def test_convolutions(name, args, options, shape):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert_layer_equal(ours, theirs, [random(0, *shape)], channels_last=True)


SIZES = [
    ("ConvTranspose1d", (4, 6, 3), {"stride": 3, "padding": 1}, (2, 5, 4), [(13,), (15,), (2, 14, 6)]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 5, 4, 4), [(9, 7), (10, 8), (9, 8), (2, 10, 7, 6)]),
    ("ConvTranspose3d", (4, 6, 2), {"stride": (1, 2, 3)}, (1, 3, 2, 2, 4), [(4, 4, 5), (4, 5, 7)]),
]


@pytest.mark.parametrize(("name", "args", "options", "shape", "sizes"), SIZES)
def test_transposed_convolutions_to_a_size(name, args, options, shape, sizes):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    randomise(theirs)
    params, state = arrays_of(ours, theirs)
    x = random(0, *shape)
    for size in sizes:
        spatial = size if len(size) < len(shape) - 1 else size[1:-1]
        expected = theirs(nchw(x), output_size=spatial)
        assert_close(ours.apply(params, state, x, output_size=size)[0], nhwc(expected))
    for wrong in ([1] * (len(shape) - 2), [99] * (len(shape) - 2), [9] * (len(shape) + 1)):
        with pytest.raises(ValueError, match="output_size"):
            ours.apply(params, state, x, output_size=wrong)
        with pytest.raises(ValueError, match=r"output_size|output size"):
            theirs(nchw(x), output_size=wrong)


NORMS = [
    ("BatchNorm1d", (6,), {}, (5, 6)),
    ("BatchNorm1d", (6,), {"momentum": None}, (3, 4, 6)),
    ("BatchNorm2d", (6,), {"eps": 1e-3, "momentum": 0.3}, (2, 5, 4, 6)),
    ("BatchNorm2d", (6,), {"affine": False}, (2, 5, 4, 6)),
    ("BatchNorm2d", (6,), {"track_running_stats": False}, (2, 5, 4, 6)),
    ("BatchNorm3d", (6,), {}, (2, 3, 4, 2, 6)),
    ("InstanceNorm1d", (6,), {"affine": True}, (2, 5, 6)),
    ("InstanceNorm2d", (6,), {}, (2, 5, 4, 6)),
    ("InstanceNorm2d", (6,), {"track_running_stats": True, "affine": True}, (2, 5, 4, 6)),
    ("InstanceNorm3d", (6,), {"affine": True}, (2, 3, 4, 2, 6)),
    ("GroupNorm", (3, 6), {}, (2, 5, 4, 6)),
    ("GroupNorm", (3, 6), {"affine": False}, (2, 5, 4, 6)),
    ("LocalResponseNorm", (3,), {"alpha": 0.1}, (2, 5, 4, 6)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), NORMS)
@pytest.mark.parametrize("train", [False, True])
def test_norms(name, args, options, shape, train):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert_layer_equal(ours, theirs, [random(0, *shape) + np.float32(1)], channels_last=True, train=train)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize(("name", "shape"), [("BatchNorm1d", (0, 3)), ("BatchNorm2d", (0, 4, 5, 3)),
                                             ("BatchNorm3d", (2, 0, 4, 5, 3))])
def test_an_empty_batch_leaves_the_running_statistics(name, shape, momentum):
    """It counts as a batch, and the training that follows is torch's."""
    ours, theirs = getattr(nn, name)(3, momentum=momentum), getattr(torch.nn, name)(3, momentum=momentum)
    params, state = ours.init(jax.random.key(0))
    for i, size in enumerate((shape, tuple(n or 2 for n in shape), shape)):
        x = random(i, *size)
        theirs(nchw(x))
        y, state = ours.apply(params, state, x, train=True)
        assert y.shape == size
        assert_close(state["running_mean"], theirs.running_mean)
        assert_close(state["running_var"], theirs.running_var)
        assert int(state["num_batches_tracked"]) == theirs.get_buffer("num_batches_tracked")


@pytest.mark.parametrize("options", [{}, {"eps": 1e-3}, {"elementwise_affine": False}, {"bias": False}])
@pytest.mark.parametrize("shape", [7, (4, 7)])
def test_layer_norm(shape, options):
    assert_layer_equal(nn.LayerNorm(shape, **options), torch.nn.LayerNorm(shape, **options), [random(0, 2, 4, 7)])


@pytest.mark.parametrize("options", [{}, {"eps": 1e-3}, {"elementwise_affine": False}])
def test_rms_norm(options):
    assert_layer_equal(nn.RMSNorm(7, **options), torch.nn.RMSNorm(7, **options), [random(0, 2, 4, 7)])


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_over_many_steps(momentum):
    ours, theirs = nn.BatchNorm2d(3, momentum=momentum), torch.nn.BatchNorm2d(3, momentum=momentum)
    params, state = ours.init(jax.random.key(0))
    step = jax.jit(lambda state, x: ours.apply(params, state, x, train=True)[1])
    for i in range(7):
        x = random(i, 4, 5, 6, 3) * np.float32(i + 1)
        theirs(nchw(x))
        state = step(state, x)
    assert_close(state["running_mean"], theirs.running_mean)
    assert_close(state["running_var"], theirs.running_var)
    assert int(state["num_batches_tracked"]) == int(theirs.num_batches_tracked) == 7


def test_synchronised_batch_norm_over_two_devices_is_that_of_the_whole_batch():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4))
    params, state = model.init(jax.random.key(0))
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    x = jnp.asarray(random(0, 4, 6, 6, 3))
    run = jax.jit(lambda x: model.apply(params, state, x, train=True))
    whole, sharded = run(x), run(jax.device_put(x, split))
    assert len(sharded[0].sharding.device_set) == 2
    assert_close(sharded[0], whole[0])
    assert_close(sharded[1]["1.running_var"], whole[1]["1.running_var"])


def test_flatten_is_in_torchs_order():
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(4 * 5 * 6, 3)

        def forward(self, x):
            return self.fc(torch.flatten(x, 1))

    ours = nn.Sequential({"flatten": nn.Flatten(), "fc": nn.Linear(4 * 5 * 6, 3)})
    assert_layer_equal(ours, Theirs(), [random(0, 2, 5, 6, 4)], channels_last=True)


def test_norms_check_their_input():
    ours = nn.BatchNorm2d(6)
    arrays = ours.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"BatchNorm2d takes channels-last arrays of 4 axes with 6 channels"):
        ours.apply(*arrays, jnp.ones((2, 6, 5, 4)))


def test_arrays_of_refuses_other_names():
    theirs = torch.nn.Conv2d(3, 4, 3, bias=False)
    randomise(theirs)
    with pytest.raises(AssertionError, match="bias"):
        arrays_of(nn.Conv2d(3, 4, 3), theirs)
