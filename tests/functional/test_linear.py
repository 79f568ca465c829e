"""`linear` with unusual shapes and meshes. Equality with torch is tested in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from funcvision import functional as F


@pytest.mark.parametrize("spec", [("data",), (None, "data")])
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_on_a_mesh(spec, kind):
    x, weight, bias = (jnp.asarray(np.random.default_rng(i).random(s)) for i, s in enumerate([(4, 6, 3), (3, 5), (5,)]))
    mesh = jax.make_mesh((2,), ("data",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        y = jax.jit(F.linear)(jax.device_put(x, NamedSharding(mesh, PartitionSpec(*spec))), weight, bias)
    np.testing.assert_allclose(y, x @ weight + jnp.broadcast_to(bias, (4, 6, 5)), rtol=1e-6)


@pytest.mark.parametrize(("function", "shape", "weight"), [
    (F.linear, (2, 3), (3, 5)), (F.conv2d, (1, 4, 4, 3), (3, 3, 3, 5)),
    (F.conv_transpose2d, (1, 4, 4, 3), (3, 3, 3, 5)),
])
def test_integers_with_a_weight_of_floats_are_refused(function, shape, weight):
    """The weight would be cast to integers, which are zeros."""
    with pytest.raises(TypeError, match=r"is uint8, and the weight is float32: cast the input"):
        function(jnp.ones(shape, jnp.uint8), jnp.full(weight, 0.5))


def test_integers_with_a_weight_of_integers():
    y = F.linear(jnp.arange(3)[None], jnp.arange(6).reshape(3, 2))
    np.testing.assert_array_equal(y, [[10, 13]])


@pytest.mark.parametrize(("leading", "features"), [((), 3), ((0, 2), 3), ((2, 4), 0), ((2, 1, 0), 0)])
def test_empty_axes(leading, features):
    y = F.linear(jnp.ones((*leading, features)), jnp.ones((features, 5)))
    np.testing.assert_array_equal(y, jnp.full((*leading, 5), features))


def test_export_with_symbolic_axes():
    shape = jax.export.symbolic_shape("n, h, 3")
    exported = jax.export.export(jax.jit(F.linear))(
        jax.ShapeDtypeStruct(shape, "float32"), jax.ShapeDtypeStruct((3, 5), "float32"))
    assert exported.call(jnp.ones((4, 2, 3)), jnp.ones((3, 5))).shape == (4, 2, 5)
