"""backward: its results and errors, when operations are recorded, and how often functions are compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import eager
from funcvision.eager.nn import functional as F


def leaf(*values):
    return eager.tensor(values, requires_grad=True)


def test_backward_twice():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"through 'mul' a second time.*retain_graph=True"):
        y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4])  # the failed attempt changed nothing


def test_backward_twice_with_the_graph_retained():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4, 8])


def test_backward_twice_through_what_holds_no_arrays():
    x = leaf(1.0, 2.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 2])


def test_a_freed_part_shared_by_two_losses():
    x = leaf(1.0, 2.0)
    h = x.exp()
    first, second = h.sum(), (h * 2).sum()
    first.backward()
    with pytest.raises(RuntimeError, match="through 'exp' a second time"):
        second.backward()


def test_backward_frees_the_arrays_it_held():
    x = leaf(1.0, 2.0)
    y = (x.sin() * x).sum()
    node = y._node
    y.backward()
    while node is not None:
        if node.operation != "sum":
            assert node.pullback is None
        node = next((edge.target for edge in node.edges if not isinstance(edge.target, eager.Tensor)), None)


def test_backward_of_several_numbers():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"shape \(2,\): call it on sum\(\) or mean\(\), or call backward"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match=r"gradient of shape \(3,\) for a Tensor of shape \(2,\)"):
        (x * 2).backward(eager.ones(3))
    (x * 2).backward([1.0, 3.0])
    np.testing.assert_array_equal(x.grad.numpy(), [2, 6])


def test_backward_of_what_requires_nothing():
    with pytest.raises(RuntimeError, match="backward has nothing to do"):
        eager.ones(2).sum().backward()
    x = leaf(1.0)
    with eager.no_grad():
        y = x * 2
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


def test_backward_of_a_leaf_and_of_one_number_with_axes():
    x = leaf(3.0)
    x.backward()
    (x.reshape(1, 1) * 2).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3])


def test_a_value_changed_after_it_was_used():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    with eager.no_grad():
        w -= 1
    with pytest.raises(RuntimeError, match="needs a value that 'mul' used and that was changed in place"):
        y.backward()
    assert x.grad is None


def test_a_value_changed_after_a_use_that_does_not_need_it():
    x, total = leaf(1.0, 2.0), eager.zeros(2)
    y = (x + total).sum()
    total += 1
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1])


def test_an_input_changed_after_it_was_used():
    x, data = leaf(1.0, 2.0), eager.ones(2)
    y = (x * data).sum()
    data[0] = 5.0
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_numpy_arrays_are_copied():
    x, data = leaf(1.0, 2.0), np.ones(2, np.float32)
    y = (x * data).sum()
    data[:] = 7
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1])


def test_leaves_that_require_a_gradient_do_not_change_in_place():
    x = leaf(1.0, 2.0)
    for change in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0), lambda: x.zero_()):
        with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
            change()
    with eager.no_grad():
        assert x.add_(1) is x
    assert x.is_leaf
    assert x.tolist() == [2, 3]


def test_what_cannot_be_put_in_place():
    x = eager.arange(3)
    with pytest.raises(RuntimeError, match="cannot store float32 in a Tensor of int32"):
        x += 0.5
    with pytest.raises(RuntimeError, match=r"cannot change the shape from \(3,\) to \(2, 3\)"):
        x += eager.ones(2, 3).int()


def test_changes_in_place_follow_each_other():
    x = leaf(1.0, 2.0)
    y = x * 3
    y *= y
    y += x
    y[0] = 0.0
    assert not y.is_leaf
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 37])


def test_modes():
    x = leaf(1.0)
    assert eager.is_grad_enabled()
    with eager.no_grad():
        assert not eager.is_grad_enabled()
        assert not (x * 2).requires_grad
        with eager.enable_grad():
            assert (x * 2).requires_grad
        with eager.set_grad_enabled(True):
            assert (x * 2).requires_grad
    assert eager.is_grad_enabled()

    @eager.no_grad()
    def double(x):
        return x * 2

    assert not double(x).requires_grad
    assert not double(x).requires_grad  # the decorator can be used more than once
    with pytest.raises(ZeroDivisionError), eager.no_grad():
        raise ZeroDivisionError
    assert eager.is_grad_enabled()


def test_modes_as_statements_and_again():
    x = leaf(1.0)
    eager.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    eager.set_grad_enabled(True)
    assert (x * 2).requires_grad
    with eager.no_grad():
        eager.set_grad_enabled(True)
        assert (x * 2).requires_grad
        eager.set_grad_enabled(False)
    assert eager.is_grad_enabled()
    with eager.set_grad_enabled(False):
        assert not eager.is_grad_enabled()
        with eager.set_grad_enabled(True):
            assert eager.is_grad_enabled()
        assert not eager.is_grad_enabled()
    assert eager.is_grad_enabled()

    @eager.set_grad_enabled(False)
    def double(x):
        return x * 2

    @eager.no_grad
    def triple(x):
        return x * 3

    assert eager.is_grad_enabled()  # the decorator acts only within the function
    for function in (double, triple):
        for _ in range(2):
            assert not function(x).requires_grad
    assert eager.is_grad_enabled()
    mode = eager.no_grad()
    with mode, mode:
        assert not eager.is_grad_enabled()
    with mode:
        assert not eager.is_grad_enabled()
    assert eager.is_grad_enabled()


def test_detach_clone_and_retained_gradients():
    x = leaf(1.0, 2.0)
    h = x * 2
    h.retain_grad()
    detached = h.detach()
    assert not detached.requires_grad
    detached = detached + 1
    (h.clone() ** 2).sum().backward()
    np.testing.assert_array_equal(h.grad.numpy(), [4, 8])
    np.testing.assert_array_equal(x.grad.numpy(), [8, 16])


def test_requires_grad():
    x = eager.ones(2)
    assert x.requires_grad_() is x
    y = x * 2
    with pytest.raises(RuntimeError, match="only a leaf"):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match="only floating-point Tensors"):
        eager.arange(3).requires_grad_()
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_integers_beside_floats():
    x = leaf(3.0, 1.0, 2.0)
    values, indices = x.sort()
    assert values.requires_grad
    assert not indices.requires_grad
    (values * indices).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 1, 2])


def test_only_some_of_several_results_are_used():
    x = leaf(1.0, 2.0, 3.0)
    _, middle, _ = x.exp().split(1)
    middle.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, np.exp(2), 0], rtol=1e-6)


def test_every_form_of_call_is_traced_once():
    traces = []

    @eager.lift
    def scaled(x, factor, *, power=1):
        traces.append(power)
        return factor * x**power

    x = leaf(1.0, 2.0)
    for _ in range(3):
        scaled(x, eager.ones(2), power=2).sum().backward()
        scaled(x.detach(), eager.ones(2), power=2)
    assert traces == [2, 2]  # once with and once without a pullback
    scaled(x, eager.ones(2), power=2.0)
    assert traces == [2, 2, 2.0]
    assert type(traces[-1]) is float
    scaled(x, leaf(1.0, 1.0), power=2)
    assert len(traces) == 4


def test_backward_is_compiled_once():
    traces = []

    @jax.custom_vjp
    def f(x):
        return jnp.sin(x)

    f.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (traces.append(0) or g * jnp.cos(x),))
    lifted, x = eager.lift(f), leaf(1.0, 2.0)
    for _ in range(3):
        lifted(x).sum().backward()
    assert len(traces) == 1


def test_numbers_and_places_do_not_compile_anew(caplog):
    def use(i):
        y = (x * (0.1 * i) + i)[i]
        x[i] = float(i)
        x[x > i] = i / 3
        return y + x[i : i + 10].sum()

    x = eager.arange(20_000).float()  # too large for the interpreter
    use(0)
    with jax.log_compiles():
        for i in range(1, 5):
            use(i)
        compiled = [line for line in caplog.text.splitlines() if "Compiling" in line and "(_identity)" not in line]
        assert compiled == []
        eager.zeros(20_001).sum()
        assert "Compiling" in caplog.text  # the log shows compilations


def test_options_must_tell_versions_apart():
    @eager.lift
    def f(x, options):
        return x

    with pytest.raises(TypeError, match=r"f is compiled once for each set of options.*hashable"):
        f(eager.ones(2), {1, 2})


def test_lift_takes_trees_and_can_look_at_values():
    looked = []

    def f(tree, flag):
        looked.append(float(jax.lax.stop_gradient(tree["a"][0]).sum()))
        return {"sum": tree["a"][0] + tree["b"], "flag": flag}

    x = leaf(1.0, 2.0)
    result = eager.lift(f, jit=False)({"a": [x], "b": jnp.ones(2)}, jnp.asarray(3))
    result["sum"].sum().backward()
    assert looked == [3.0]
    assert result["flag"].item() == 3
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1])


def test_functions_draw_from_the_generator_unless_they_get_a_key():
    x = eager.ones(1000)
    eager.manual_seed(3)
    first, second = F.dropout(x), F.dropout(x)
    eager.manual_seed(3)
    np.testing.assert_array_equal(F.dropout(x).numpy(), first.numpy())
    assert not first.equal(second)
    key = jax.random.key(0)
    assert F.dropout(x, key=key).equal(F.dropout(x, key=key))
    eager.manual_seed(3)
    drawn = eager.randn(5), eager.rand(2, 3), eager.randint(0, 9, (4,)), eager.randperm(6)
    eager.manual_seed(3)
    assert eager.randn(5).equal(drawn[0])
    assert eager.randn(3, key=key).equal(eager.randn(3, key=key))
    assert sorted(drawn[3].tolist()) == list(range(6))


def test_running_statistics_are_not_differentiated():
    x = eager.randn(4, 3, requires_grad=True)
    mean, var = eager.zeros(3), eager.ones(3)
    for _ in range(2):  # if they were recorded, the second backward would run through the first
        (F.batch_norm(x, mean, var, training=True) ** 2).mean().backward()
    assert not mean.requires_grad
    assert not mean.equal(eager.zeros(3))


def test_lifted_functions_are_all_of_functional():
    from funcvision import functional

    assert F.__all__ == functional.__all__
    assert F.relu.__doc__ == functional.relu.__doc__
    assert "conv2d" in dir(F)
    with pytest.raises(AttributeError, match="no attribute 'conv4d'"):
        _ = F.conv4d


def test_errors_of_functions_come_through():
    with pytest.raises(RuntimeError, match=r"conv2d takes.*the channels stand last"):
        F.conv2d(eager.ones(1, 3, 8, 8), eager.ones(3, 4, 3, 3))


def test_pure_functions_refuse_tensors():
    from funcvision import functional

    x = leaf(1.0, 2.0)
    with pytest.raises(AttributeError, match=r"'astype'.*funcvision\.eager\.nn\.functional"):
        functional.softmax(x)
    with pytest.raises(RuntimeError, match="got a Tensor"):
        jax.jit(lambda x: x * 2)(x)
    with pytest.raises(RuntimeError, match="got a Tensor"):
        jnp.sin(x)
