"""The distributions of initialisers and of the initial values of layers against torch's, by samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy import stats

from funcvision import nn
from funcvision.nn import init

KEY = jax.random.key(0)


def assert_same_distribution(ours, theirs, what=""):
    """Compares two samples of equal size: equal if constant, else as close as two samples of one distribution.

    The seeds are fixed, so each comparison passes or fails once and for all. The Kolmogorov-Smirnov test would
    fail one true pair in 1000; the standard deviation has a standard error below std / sqrt(n); the largest of n
    draws of a uniform distribution is within 15 / n of its edge; and all of them lie within sqrt(12) deviations, where
    normal ones spread over 5 or more.
    """
    ours, theirs = np.asarray(ours, np.float64).ravel(), np.asarray(theirs, np.float64).ravel()
    assert ours.size == theirs.size, what
    if np.ptp(theirs) == 0:
        np.testing.assert_array_equal(ours, theirs, err_msg=what)
        return
    n, std = theirs.size, theirs.std()
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3, what
    assert abs(ours.mean() - theirs.mean()) < 6 * std / np.sqrt(n), what
    assert abs(ours.std() / std - 1) < 6 / np.sqrt(n), what
    assert abs(np.ptp(ours) / ours.std() - np.ptp(theirs) / std) < 1.4, what
    if np.ptp(theirs) < 3.6 * std:
        assert abs(ours.min() - theirs.min()) < 15 / n * np.ptp(theirs), what
        assert abs(ours.max() - theirs.max()) < 15 / n * np.ptp(theirs), what


@pytest.mark.parametrize(("name", "args"), [
    ("uniform", (-0.2, 0.7)), ("uniform", ()), ("normal", (0.5, 2.0)), ("trunc_normal", ()),
    ("trunc_normal", (0.3, 1.5, -1.0, 2.5)), ("trunc_normal", (0.0, 0.02)), ("xavier_uniform", (1.7,)),
    ("xavier_normal", (1.7,)), ("kaiming_uniform", (0.3,)), ("kaiming_uniform", (0.0, "fan_out", "relu")),
    ("kaiming_normal", (0.0, "fan_out", "tanh")), ("kaiming_normal", ()),
])
def test_initialisers(name, args):
    shape = (60, 50, 7, 7)
    torch.manual_seed(1)
    theirs = getattr(torch.nn.init, f"{name}_")(torch.empty(shape), *args).numpy()
    ours = np.asarray(getattr(init, name)(*args)(KEY, shape, jnp.float32))
    assert ours.shape == shape
    assert_same_distribution(ours, theirs)
    if name == "trunc_normal" and args != (0.0, 0.02):  # its draws are far from the limits
        np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], atol=2e-3)


def test_sparse():
    torch.manual_seed(1)
    theirs = torch.nn.init.sparse_(torch.empty(300, 400), 0.35, 0.5).numpy()
    ours = np.asarray(init.sparse(0.35, 0.5)(KEY, (300, 400), jnp.float32))
    np.testing.assert_array_equal((ours == 0).sum(0), (theirs == 0).sum(0))
    assert_same_distribution(ours[ours != 0], theirs[theirs != 0])


@pytest.mark.parametrize(("shape", "groups"), [((4, 3, 5), 1), ((6, 4, 3, 2), 3), ((6, 2, 3, 3, 4), 2)])
def test_dirac(shape, groups):
    theirs = torch.nn.init.dirac_(torch.empty(shape), groups)
    np.testing.assert_array_equal(init.dirac(groups)(KEY, shape, jnp.float32), theirs)


@pytest.mark.parametrize("shape", [(40, 300), (300, 40), (30, 20, 3, 3)])
def test_orthogonal(shape):
    torch.manual_seed(1)
    theirs = torch.nn.init.orthogonal_(torch.empty(shape), 1.5)
    assert_same_distribution(init.orthogonal(1.5)(KEY, shape, jnp.float32), theirs)


@pytest.mark.parametrize("nonlinearity", ["linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu"])
def test_gains(nonlinearity):
    assert init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)


def test_gain_of_leaky_relu():
    for slope in (None, 0, 0.2, 2.0):
        assert init.calculate_gain("leaky_relu", slope) == torch.nn.init.calculate_gain("leaky_relu", slope)


@pytest.mark.parametrize(("name", "args", "options"), [
    ("Conv1d", (32, 64, 5), {}), ("Conv2d", (30, 64, 5), {"groups": 2}), ("Conv3d", (16, 32, (3, 2, 3)), {}),
    ("ConvTranspose1d", (32, 64, 5), {}), ("ConvTranspose2d", (32, 48, 5), {"groups": 2}),
    ("ConvTranspose3d", (16, 32, 3), {}), ("Linear", (200, 150), {}), ("Bilinear", (30, 20, 40), {}),
    ("Embedding", (300, 70), {}), ("Embedding", (300, 70, 3), {}), ("MultiheadAttention", (120, 4), {}),
    ("MultiheadAttention", (400, 4), {"kdim": 90, "vdim": 60, "add_bias_kv": True}),
    ("RNN", (40, 90), {"num_layers": 2, "bidirectional": True}), ("LSTM", (60, 90), {"proj_size": 40}),
    ("GRU", (60, 90), {}), ("RNNCell", (60, 90), {}), ("LSTMCell", (60, 90), {}), ("GRUCell", (60, 90), {}),
    ("BatchNorm2d", (8,), {}), ("InstanceNorm2d", (8,), {"affine": True, "track_running_stats": True}),
    ("GroupNorm", (2, 8), {}), ("LayerNorm", ((4, 8),), {}), ("RMSNorm", (8,), {}),
])
def test_what_layers_start_from(name, args, options):
    torch.manual_seed(2)
    theirs = getattr(torch.nn, name)(*args, **options).state_dict()
    ours = getattr(nn, name)(*args, **options)
    params, state = ours.init(KEY)
    arrays = params | state
    assert arrays.keys() == theirs.keys()
    for key, tensor in theirs.items():
        assert_same_distribution(arrays[key], tensor, key)
    if name == "Embedding" and len(args) == 3:
        np.testing.assert_array_equal(arrays["weight"][args[2]], np.zeros(args[1]))
