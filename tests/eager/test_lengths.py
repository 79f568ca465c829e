"""One trace of an operation for arrays of any length, and `stack`, `cat` and `unbind` without a trace."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import eager
from funcvision.eager import _lengths, _tiered
from funcvision.eager._operation import HostProgram, Operation
from funcvision.eager._record import record

from .test_new_shapes import _operations, compilations


@pytest.fixture
def traces(monkeypatch):
    """The names of the operations that are traced with a symbol."""
    names, traced = [], _lengths._traced

    def noted(program, *args):
        names.append(program.operation.name)
        return traced(program, *args)

    monkeypatch.setattr(_lengths, "_traced", noted)
    return names


def sum_of_results(length):
    """A number and its gradient, computed by operations whose shapes depend on the length."""
    x = eager.tensor(np.random.default_rng(length).standard_normal((length, 3)).astype(np.float32), requires_grad=True)
    total = x.std() + x.var(0).sum() + x.mean(1).log_softmax(0).exp().std() + x.cumsum(0).tanh().mean()
    total = total + (x.softmax(1) * x.std(1, keepdim=True)).sum() + x.max(dim=0)[0].sum() + x.sort(0)[0].square().sum()
    parts = [part * 2 for part in x.sum(1)]
    total = total + eager.stack(parts, 0).square().sum() + eager.cat([x, x * 2]).exp().mean(1).sum()
    total.backward()
    return total.item(), x.grad.numpy()


def test_a_further_length_is_not_traced(traces, monkeypatch):
    for length in (10, 11):
        sum_of_results(length)
    assert "std" in traces
    count = len(traces)

    def refuse(*args, **kwargs):
        raise AssertionError("traced")

    with monkeypatch.context() as patch:
        patch.setattr(_tiered.Tiered, "_interpreted", refuse)
        results = {length: sum_of_results(length) for length in (12, 40)}
    assert len(traces) == count
    monkeypatch.setattr(_tiered, "LARGEST", 0)
    for operation in _operations():
        operation._programs.clear()
    for length, (value, gradient) in results.items():
        expected = sum_of_results(length)
        assert value == pytest.approx(expected[0], rel=1e-5)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-4, atol=1e-5)


def program_of(operation, *args):
    key_before = set(operation._programs)
    record(operation, args, {}, numbers=True)
    (key,) = set(operation._programs) - key_before
    return operation._programs[key]


def test_sizes_that_a_function_compares_with_numbers():
    def large_or_small(x):
        return x * 2 if x.shape[0] > 20 else x * 3

    operation = Operation(large_or_small, name="large_or_small", any_length=True)
    for length in (10, 11, 19, 21, 30):
        (result, *_), expected = record(operation, (eager.ones(length),), {}), 2 if length > 20 else 3
        assert result.tolist() == [expected] * length


def test_a_symbol_stands_for_no_small_size_and_for_no_other_size_of_the_call():
    operation = Operation(lambda x, y: x + y.sum(), name="sum_of_both", any_length=True)
    y = eager.ones(17)
    for length in (10, 11):
        record(operation, (eager.ones(length), y), {}, numbers=True)
    assert isinstance(program_of(operation, eager.ones(12), y), HostProgram)
    for length in (1, 8, 17):
        assert not isinstance(program_of(operation, eager.ones(length), y), HostProgram)


def test_after_many_calls_it_is_compiled():
    function = eager.lift(lambda x: x * 2 + 1)
    for length in (23, 24):
        function(eager.ones(length))
    x = eager.ones(25).requires_grad_()
    first = function(x)
    with compilations() as found:
        for _ in range(_tiered.INTERPRETED_CALLS):
            last = function(x)
    assert len(found) >= 1
    first.sum().backward()  # the pullback of a call on the host
    last.sum().backward()
    assert x.grad.tolist() == [4] * 25


def test_gradients_of_gradients_and_traced_cotangents():
    for length in (10, 11, 12):
        x = eager.tensor(np.linspace(0.1, 1, length, dtype=np.float32), requires_grad=True)
        y = (x.tanh() * x).std()
        (first,) = eager.autograd.grad(y, x, create_graph=True)
        first.square().sum().backward()

        def pure(v):
            return jnp.std(jnp.tanh(v) * v, ddof=1)

        expected = jax.grad(lambda v: jnp.sum(jax.grad(pure)(v) ** 2))(x.array)
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-3, atol=1e-5)
    z = x.tanh()
    pulled = jax.jit(lambda cotangent: z.node.pull([cotangent], True)[0])(jnp.ones(12))
    np.testing.assert_allclose(pulled, 1 - np.tanh(x.detach().numpy()) ** 2, rtol=1e-5)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_joining_some_that_require_a_gradient(dim):
    arrays = np.random.default_rng(0).standard_normal((3, 2, 5)).astype(np.float32)
    given = [eager.tensor(array, requires_grad=place != 1) for place, array in enumerate(arrays)]
    weights = eager.tensor(np.random.default_rng(1).standard_normal((3, 2, 5)).astype(np.float32))
    stacked, joined = eager.stack(given, dim), eager.cat(given, dim=dim)
    np.testing.assert_array_equal(stacked.detach().numpy(), np.stack(arrays, dim))
    np.testing.assert_array_equal(joined.detach().numpy(), np.concatenate(arrays, dim))
    (eager.stack(list(weights), dim) * stacked).sum().backward()
    (eager.cat(list(weights), dim) * joined).sum().backward()
    assert given[1].grad is None
    for place in (0, 2):
        np.testing.assert_allclose(given[place].grad.numpy(), 2 * weights[place].numpy(), rtol=1e-6)


def test_parts_of_an_axis():
    x = eager.tensor(np.arange(24, dtype=np.float32).reshape(2, 3, 4), requires_grad=True)
    parts = x.unbind(1)
    assert [part.shape for part in parts] == [(2, 4)] * 3
    (parts[0] * 2 + parts[2] * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[0, :, 0], [2, 0, 3])
    y = eager.zeros(2, 3)
    for part in y.unbind(1)[1:]:
        part.fill_(7)
    assert y.tolist() == [[0, 7, 7]] * 2


def test_functions_of_the_user_are_traced_for_each_length():
    """They may compare a size with a number."""
    doubled_at_12 = eager.lift(lambda x: x * 2 if x.shape[0] == 12 else x)
    results = [doubled_at_12(eager.ones(n)).sum().item() for n in (10, 11, 12, 13)]
    assert results == [10, 11, 24, 13]
