"""What the graph keeps alive, recorded backward passes through models, and handles of hooks."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import eager, nn
from funcvision.eager.utils.hooks import RemovableHandle


class Square(eager.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x * x
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


def leaf(*values):
    return eager.tensor(values, requires_grad=True)


def test_a_node_keeps_only_what_its_pullback_needs():
    x = leaf(1.0, 2.0)
    for function, is_kept in ((lambda h: h.exp(), False), (lambda h: h + 1, False), (lambda h: h * h, True)):
        h = x * 2
        y = function(h)
        array = weakref.ref(h.array)
        del h
        gc.collect()
        assert (array() is not None) == is_kept
        (slope,) = eager.autograd.grad(y.sum(), x, create_graph=True)
        assert slope.shape == (2,)


def test_graphs_are_freed_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        node = weakref.ref((x * 2).exp().grad_fn)
        assert node() is None
        y = Square.apply(x).sum()
        node = weakref.ref(y.grad_fn.next_functions[0][0])
        y.backward()
        del y
        assert node() is None
        y = (x * 2).exp()
        y.retain_grad()
        y.register_hook(lambda gradient: gradient)
        node = weakref.ref(y.grad_fn)
        y.sum().backward(create_graph=True)
        x.grad = None
        del y
        assert node() is None
    finally:
        gc.enable()


def test_backward_frees_what_a_recorded_backward_would_need():
    x = leaf(1.0, 2.0)
    y = (x.sin() * x).sum()
    node = y.grad_fn.next_functions[0][0]
    eager.autograd.grad(y, x, retain_graph=True)
    assert node.call is not None
    y.backward()
    assert node.call is None
    with pytest.raises(RuntimeError, match="second time"):
        eager.autograd.grad(y, x, create_graph=True)


def test_second_derivatives_of_a_model():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
    net = eager.Module(model, seed=0)
    x = eager.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    y = net(x)
    (slope,) = eager.autograd.grad(y.sum(), x, create_graph=True)
    (slope**2).sum().backward()
    params, first = net.params, next(iter(net.params))

    def pure(params):
        def output(x):
            key = jax.random.fold_in(net._key, np.uint32(net._calls))
            return model.apply(params, {}, x, train=True, key=key)[0].sum()

        return (jax.grad(output)(x.array) ** 2).sum()

    expected = jax.grad(pure)(params)
    for name, parameter in net.named_parameters():
        if parameter.grad is not None:
            np.testing.assert_allclose(parameter.grad.numpy(), expected[name], rtol=1e-4, atol=1e-6)
    assert net.get_parameter(first).grad is not None


def test_second_derivatives_of_a_function_that_is_not_compiled():
    def cubed(x, options):
        assert float(jax.lax.stop_gradient(x).sum()) == 3
        return x ** options["power"]

    x = leaf(1.0, 2.0)
    y = eager.lift(cubed, jit=False)(x, {"power": 3})
    (slope,) = eager.autograd.grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(eager.autograd.grad(slope.sum(), x)[0].numpy(), [6, 12], rtol=1e-6)


def test_a_leaf_changed_between_two_backward_passes():
    x = leaf(0.5, 1.0)
    y = eager.lift(lambda x: jnp.tanh(jnp.sin(x)) + 1)(x)  # it holds results that are no arguments
    with eager.no_grad():
        x += 3
    (slope,) = eager.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = eager.autograd.grad(slope.sum(), x)

    def f(x):
        return jnp.tanh(jnp.sin(x)).sum()

    old = jnp.array([0.5, 1.0])
    np.testing.assert_allclose(slope.detach().numpy(), jax.grad(f)(old), rtol=1e-5)
    np.testing.assert_allclose(second.numpy(), jax.grad(lambda x: jax.grad(f)(x).sum())(old), rtol=1e-5)


def test_packed_arrays_are_unpacked_by_every_backward_pass():
    x, packed, unpacked = leaf(0.5, 1.0), [], []

    def unpack(place):
        unpacked.append(place)
        return eager.Tensor(packed[place])

    with eager.autograd.graph.saved_tensors_hooks(
        lambda tensor: packed.append(tensor.detach().numpy()) or len(packed) - 1, unpack
    ):
        y = (x.exp() * x).sum()
    kept = len(packed)
    assert kept == 3
    (slope,) = eager.autograd.grad(y, x, create_graph=True)
    (second,) = eager.autograd.grad(slope.sum(), x)
    np.testing.assert_allclose(second.numpy(), np.exp([0.5, 1.0]) * [2.5, 3.0], rtol=1e-5)
    assert set(unpacked) == {0, 1, 2}


def test_checkpoints_draw_the_same_numbers_again():
    from funcvision.eager.nn import functional as F

    eager.manual_seed(0)
    x = leaf(*np.ones(50, np.float32))
    y = eager.utils.checkpoint.checkpoint(lambda x: F.dropout(x.exp(), 0.5) * x, x, use_reentrant=False)
    drawn = eager.rand(3)
    eager.manual_seed(0)
    plain = leaf(*np.ones(50, np.float32))
    (F.dropout(plain.exp(), 0.5) * plain).sum().backward()
    assert drawn.equal(eager.rand(3))
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), plain.grad.numpy(), rtol=1e-6)
    changing = iter([lambda x: x.exp() * x, lambda x: x * 2])
    y = eager.utils.checkpoint.checkpoint(lambda x: next(changing)(x), x)
    with pytest.raises(RuntimeError, match="must do the same each time"):
        y.sum().backward()


def test_no_gradients_within_compile():
    @eager.compile
    def step(x):
        (x * x).sum().backward()

    with pytest.raises(RuntimeError, match="within a function that is compiled"):
        step(leaf(1.0, 2.0))


def test_handles():
    hooks, others = OrderedDict(), OrderedDict()
    first, second = RemovableHandle(hooks, extra_dict=others), RemovableHandle(hooks)
    assert first.id < second.id
    hooks[first.id], hooks[second.id], others[first.id] = "a", "b", "c"
    with first as entered:
        assert entered is first
    assert list(hooks.values()) == ["b"]
    assert not others
    first.remove()
    again = pickle.loads(pickle.dumps((second, hooks)))
    again[0].remove()
    assert not again[1]
    assert list(hooks.values()) == ["b"]
    copy.copy(second)
    del hooks
    second.remove()


def test_inference_tensors():
    with eager.inference_mode():
        x = eager.ones(2)
        assert x.is_inference()
        with eager.enable_grad():
            assert not (leaf(1.0) * 2).requires_grad
    assert not eager.ones(2).is_inference()
    with pytest.raises(RuntimeError, match="requires_grad=True of an inference tensor"):
        x.requires_grad_()
    with pytest.raises(RuntimeError, match="in-place update of an inference tensor"):
        x.add_(1)
    assert (x * 2).tolist() == [2, 2]
