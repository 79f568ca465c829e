"""Initialisers: exact values, structure, gains and errors. Distributions are compared in tests/parity/test_init.py."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from funcvision import nn
from funcvision.nn import init

KEY = jax.random.key(0)


def test_constants():
    np.testing.assert_array_equal(init.zeros(KEY, (2, 3), jnp.float32), np.zeros((2, 3)))
    np.testing.assert_array_equal(init.ones(KEY, (3,), jnp.float32), np.ones(3))
    np.testing.assert_array_equal(init.constant(0.25)(KEY, (2, 1), jnp.bfloat16), np.full((2, 1), 0.25))
    np.testing.assert_array_equal(init.eye()(KEY, (2, 3), jnp.float32), [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(("shape", "groups"), [((4, 3, 5), 1), ((3, 4, 3, 2), 1), ((6, 2, 3, 3, 3), 3), ((6, 4, 1), 2)])
def test_dirac_hands_on_as_many_channels_as_it_can(shape, groups):
    kernel = np.asarray(init.dirac(groups)(KEY, shape, jnp.float32))
    centre = kernel[(..., *(k // 2 for k in shape[2:]))]
    np.testing.assert_array_equal(centre, np.tile(np.eye(shape[0] // groups, shape[1]), (groups, 1)))
    assert kernel.sum() == centre.sum()


@pytest.mark.parametrize("shape", [(5, 5), (4, 7), (7, 4), (4, 2, 3, 3)])
def test_orthogonal_rows_or_columns(shape):
    gain = 2.5
    matrix = jax.jit(init.orthogonal(gain), static_argnums=(1, 2))(KEY, shape, jnp.float32).reshape(shape[0], -1)
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(short @ short.T, gain**2 * np.eye(len(short)), atol=1e-5)


def test_orthogonal_is_uniform_over_orthogonal_matrices():
    """Without the correction of signs, the diagonal would be negative in nearly all matrices."""
    matrices = jax.jit(jax.vmap(lambda key: init.orthogonal()(key, (3, 3), jnp.float32)))(jax.random.split(KEY, 4000))
    np.testing.assert_allclose(matrices.mean(0), np.zeros((3, 3)), atol=4 / math.sqrt(3 * 4000))
    determinants = np.linalg.det(np.asarray(matrices))
    assert 0.45 < (determinants > 0).mean() < 0.55


@pytest.mark.parametrize(("sparsity", "rows", "zeros"), [(0.0, 6, 0), (0.1, 25, 3), (1.0, 6, 6)])
def test_sparse_has_so_many_zeros_in_each_column(sparsity, rows, zeros):
    matrix = np.asarray(jax.jit(init.sparse(sparsity, std=3.0), static_argnums=(1, 2))(KEY, (rows, 50), jnp.float32))
    np.testing.assert_array_equal((matrix == 0).sum(0), np.full(50, zeros))
    if 0 < zeros < rows:
        assert len({tuple(column) for column in (matrix == 0).T}) > 5, "the zeros stand in the same places"


@pytest.mark.parametrize(("initializer", "shape", "match"), [
    (init.xavier_uniform(), (3,), r"at least two axes, not for shape \(3,\)"),
    (init.kaiming_normal(), (), "at least two axes"),
    (init.kaiming_normal(mode="fan"), (2, 3), "mode='fan'; give 'fan_in' or 'fan_out'"),
    (init.kaiming_uniform(nonlinearity="swish"), (2, 3), "no gain is known for 'swish'"),
    (init.eye(), (2, 3, 4), "eye initialises matrices"),
    (init.sparse(0.1), (3,), "sparse initialises matrices"),
    (init.orthogonal(), (3,), "at least two axes"),
    (init.dirac(), (3, 3), "dirac"),
    (init.dirac(2), (3, 3, 1), "divisible"),
])
def test_what_initialisers_refuse(initializer, shape, match):
    with pytest.raises(ValueError, match=match):
        initializer(KEY, shape, jnp.float32)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("initializer", [
    init.constant(2.0), init.uniform(), init.normal(), init.trunc_normal(), init.xavier_uniform(),
    init.xavier_normal(), init.kaiming_uniform(), init.kaiming_normal(), init.eye(), init.sparse(0.5),
    init.orthogonal(),
])
def test_initialisers_are_values_that_make_the_dtype_asked_for(initializer, dtype):
    assert initializer == type(initializer)(**vars(initializer))
    assert hash(initializer) == hash(type(initializer)(**vars(initializer)))
    first, again = initializer(KEY, (4, 3), dtype), initializer(KEY, (4, 3), dtype)
    assert first.dtype == dtype
    np.testing.assert_array_equal(first, again)


def model():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, weight_init=init.trunc_normal(std=0.02)), nn.BatchNorm2d(8),
        nn.Linear(8, 6, weight_init=init.orthogonal()), nn.MultiheadAttention(4, 2, add_bias_kv=True),
        nn.Embedding(5, 4, padding_idx=0),
    )


def assert_same_arrays(ours, others):
    for name, array in ours.items():
        assert array.dtype == others[name].dtype
        np.testing.assert_array_equal(array, others[name], err_msg=name)


def test_init_under_jit_and_over_two_devices_gives_the_same_values():
    described = model()
    params, state = described.init(KEY)
    assert_same_arrays(params, described.init(KEY)[0])
    assert_same_arrays(params, jax.jit(described.init)(KEY)[0])

    mesh = jax.make_mesh((2,), ("model",), (jax.sharding.AxisType.Auto,))
    whole = NamedSharding(mesh, PartitionSpec())

    def sharding(array):
        return NamedSharding(mesh, PartitionSpec(*[None] * (array.ndim - 1), "model")) if array.ndim > 1 else whole

    shardings = {name: sharding(array) for name, array in params.items()}
    sharded, _ = jax.jit(described.init, out_shardings=(shardings, dict.fromkeys(state, whole)))(KEY)
    for name, array in sharded.items():
        assert array.sharding == shardings[name]
    assert_same_arrays(params, sharded)


def test_another_key_gives_other_values():
    params, other = model().init(KEY)[0], model().init(jax.random.key(1))[0]
    constants = {"1.weight", "1.bias", "3.in_proj_bias", "3.out_proj.bias"}
    assert {name for name in params if np.array_equal(params[name], other[name])} == constants
