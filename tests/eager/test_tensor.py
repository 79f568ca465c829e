"""Tensors as Python objects: values, conversions, indexing errors."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import eager
from funcvision.eager.nn import functional as F


def test_what_a_tensor_says_of_itself():
    x = eager.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert (x.shape, x.size(), x.size(-1), x.ndim, x.dim(), x.numel(), len(x)) == ((2, 2), (2, 2), 2, 2, 2, 4, 2)
    assert x.dtype == np.float32
    assert x.is_floating_point()
    assert not eager.arange(3).is_floating_point()
    assert isinstance(x.array, jax.Array)
    assert x.device == jax.devices()[0]
    assert x.is_leaf


def test_text():
    x = eager.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "tensor([1., 2.], requires_grad=True)"
    assert repr((x * 2).sum()) == "tensor(6., grad_fn=<SumBackward0>)"
    assert repr(eager.zeros(2, dtype=jnp.bfloat16)) == "tensor([0., 0.], dtype=torch.bfloat16)"
    assert f"{x.sum():.2f} {x.detach()}" == "3.00 tensor([1., 2.])"


def test_tensors_within_a_compiled_function():
    seen = []

    @jax.jit
    def f(array):
        x = eager.Tensor(array)
        seen.append(repr(x))
        return (x * 2 + 1).array

    assert f(jnp.ones(2)).tolist() == [3, 3]
    assert seen[0].startswith("tensor(JitTracer")


def test_values_on_the_host():
    x = eager.tensor([[1, 2], [3, 4]])
    assert x.tolist() == [[1, 2], [3, 4]]
    assert [row.tolist() for row in x] == x.tolist()
    assert x[1, 0].item() == 3
    assert (int(x[0, 1]), float(x[0, 1]), [10, 20, 30][x[0, 1]]) == (2, 2.0, 30)
    np.testing.assert_array_equal(np.asarray(x), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(np.asarray(x, np.float64), [[1, 2], [3, 4]])
    assert bool(eager.tensor([[True]]))
    assert 2 if x[0, 0] > 0 else 3
    with pytest.raises(RuntimeError, match=r"item is for Tensors with one element.*\(2, 2\)"):
        x.item()
    with pytest.raises(RuntimeError, match=r"truth value .* is ambiguous"):
        bool(x > 1)
    with pytest.raises(RuntimeError, match=r"use \.detach\(\)"):
        np.asarray(eager.ones(2, requires_grad=True))
    for use in (len, iter):
        with pytest.raises(TypeError, match="without axes"):
            use(x[0, 0])


def test_operands_of_other_libraries_and_strangers():
    x = eager.tensor([1.0, 2.0], requires_grad=True)
    total = np.ones(2, np.float32) + x + jnp.ones(2) * x - np.float32(2) * x
    assert isinstance(total, eager.Tensor)
    total.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0])
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "1"
    assert (x == None) is False  # noqa: E711
    assert x in {x: 1}  # the hash is that of the object


def test_data_can_be_set():
    x = eager.tensor([1.0, 2.0], requires_grad=True)
    x.data -= 1
    assert x.tolist() == [0, 1]
    assert isinstance(x.array, jax.Array)
    assert x.is_leaf
    with pytest.raises(RuntimeError, match=r"grad must have the shape of its Tensor, \(2,\)"):
        x.grad = eager.ones(3)


def test_conversions():
    x = eager.tensor([1.7, -1.7])
    assert x.to(x.dtype) is x
    assert x.long().tolist() == x.int().tolist() == [1, -1]
    assert (x.half().dtype, x.bfloat16().dtype, x.long().dtype) == (np.float16, jnp.bfloat16, np.int32)
    with pytest.raises(ValueError, match="float64 is turned off in jax"):
        x.double()
    assert eager.tensor([1, 2]).to(x).dtype == np.float32
    other = jax.devices()[1]
    x.requires_grad_()
    moved = x.to(other) * 2
    assert moved.device == other
    moved.to("cpu").sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert x.cpu() is x
    assert eager.zeros(2).type_as(x.half()).dtype == np.float16


def test_numbers_of_python_and_numpy():
    assert eager.tensor(np.ones(2)).dtype == np.float32  # jax_enable_x64 is off
    assert eager.tensor([True]).dtype == np.bool_
    assert eager.tensor([1, 2], dtype=jnp.float16).dtype == np.float16
    array = np.ones(2, np.float32)
    x = eager.from_numpy(array)
    array[:] = 5
    assert x.tolist() == [1, 1]
    assert eager.tensor(x) is not x


LARGE = 3_000_000_000


@pytest.mark.parametrize("use", [
    lambda: eager.tensor(2**40), lambda: eager.tensor([LARGE, 1]), lambda: eager.tensor(np.array([2**40])),
    lambda: eager.tensor(np.int64(LARGE)), lambda: eager.full((2,), LARGE),
    lambda: eager.arange(LARGE, LARGE + 2),
    lambda: eager.tensor([2**31 - 1, 1]).sum(), lambda: eager.tensor([[2**31 - 1, 1]]).sum(1),
    lambda: eager.tensor([2**31 - 1, 1]).cumsum(0), lambda: eager.tensor([65536, 65536]).prod(),
    lambda: eager.tensor(2**30) * 4, lambda: eager.tensor(2**30) + eager.tensor(2**30),
    lambda: eager.tensor(65536) ** 2,
    lambda: eager.tensor(1) + LARGE, lambda: eager.tensor(1) + np.int64(LARGE), lambda: eager.tensor(65536).square(),
    lambda: 2 ** eager.tensor(31), lambda: eager.tensor(1) << 31, lambda: -eager.tensor(-(2**31)),
    lambda: eager.tensor(-(2**31)).abs(), lambda: eager.tensor([65536]) @ eager.tensor([65536]),
    lambda: eager.tensor(float(LARGE)).long(), lambda: eager.tensor(1).fill_(LARGE),
    lambda: eager.tensor(np.array([1e300])),
])  # fmt: skip
def test_what_does_not_fit_raises(use):
    with pytest.raises(OverflowError, match=r"does not fit"):
        use()
    with jax.enable_x64(True):
        use()  # everything fits 64 bits


def test_what_fits_or_is_a_float():
    with pytest.raises(OverflowError, match="does not fit uint8"):
        eager.tensor(300, dtype=np.uint8)
    assert eager.tensor([2**31 - 1, -(2**31)]).tolist() == [2**31 - 1, -(2**31)]
    assert eager.tensor([2**31 - 1]).sum().item() == 2**31 - 1
    assert (eager.tensor(1.0) + 2**40).item() == 2.0**40
    assert eager.tensor(2**40, dtype=np.float32).item() == 2.0**40
    assert eager.tensor([2**31 - 1, 0]).float().sum().item() == 2.0**31
    assert (eager.tensor(2, dtype=np.uint8) * 200).item() == 144  # torch wraps in small dtypes, too


def test_float64_is_rounded_with_a_warning():
    for make in (lambda x: eager.tensor(x), lambda x: eager.from_numpy(x), lambda x: eager.ones(1) * x):
        with pytest.warns(UserWarning, match=r"float64 is rounded to float32.*jax_enable_x64.*astype\(np.float32\)"):
            assert make(np.array([0.1])).dtype == np.float32
    assert eager.tensor(np.array([0.5, np.inf, np.nan])).dtype == np.float32  # nothing is lost, so nothing is said
    assert eager.tensor(0.1).dtype == np.float32  # Python's floats are float32 in torch, too
    assert eager.tensor(np.array([0.1]), dtype=np.float32).dtype == np.float32
    with jax.enable_x64(True):
        assert eager.tensor(np.array([0.1])).dtype == np.float64


def test_sizes_of_numpy_and_results_whose_shape_depends_on_values():
    x = eager.ones(2, 4, 4, 3)
    assert F.avg_pool2d(x.permute(0, 3, 1, 2), np.int64(2), np.int32(2)).shape == (2, 3, 2, 2)
    assert x.sum(np.int64(1)).shape == (2, 4, 3)
    assert x.reshape(np.int64(8), -1).shape == (8, 12)
    assert F.one_hot(eager.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(eager.tensor([0, 2]), 4).shape == (2, 4)


@pytest.mark.parametrize(("index", "error", "message"), [
    (5, IndexError, "index 5 is out of range for axis 0"), ((0, 0, 0), IndexError, "3 indices for an array of shape"),
    ((..., 0, ...), IndexError, "only one ..."), (slice(None, None, -1), ValueError, "use flip"),
    ([0, 3], IndexError, "indices from 0 to 3 are out of range for axis 0, which has 3"),
    (1.5, IndexError, "an index is"),
    (np.ones(4, bool), IndexError, r"mask of shape \(4,\) does not match"), ("a", TypeError, "an index is"),
])  # fmt: skip
def test_indices_that_do_not_fit(index, error, message):
    x = eager.zeros(3, 4)
    with pytest.raises(error, match=message):
        x[index]
    with pytest.raises(error, match=message):
        x[index] = 1.0


def test_indices_given_as_tensors():
    x = eager.arange(12).reshape(3, 4)
    assert x[eager.tensor(1), eager.tensor([0, -1])].tolist() == [4, 7]
    assert x[x > 9].tolist() == [10, 11]
    x[eager.tensor([0, 1]), eager.tensor([0, 1])] = eager.tensor([50, 60])
    assert x.numpy().diagonal().tolist() == [50, 60, 10]
    x[0] = [[1, 2, 3, 4]]
    assert x[0].tolist() == [1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="out of range"):
        x.gather(1, eager.tensor([[4]]))


@pytest.mark.parametrize(("use", "error", "message"), [
    (lambda x: x @ x.int(), RuntimeError, "matmul takes one dtype"),
    (lambda x: x.int().mean(), RuntimeError, r"call \.float"),
    (lambda x: x.split([1, 1]), RuntimeError, "do not add up to 3"),
    (lambda x: x.topk(9), RuntimeError, "k=9 is not between 0 and"),
    (lambda x: x.clamp(), RuntimeError, "clamp needs"), (lambda x: x.int() ** -1, RuntimeError, "no integer power -1"),
    (lambda x: x.where(x, 0), RuntimeError, "condition of booleans"),
    (lambda x: x[None].t(), RuntimeError, "t takes at most two axes"),
    (lambda x: x.div(x, rounding_mode="up"), RuntimeError, "rounding_mode='up'"),
    (lambda x: x.repeat(2), RuntimeError, "a number for each axis"),
    (lambda x: x.gather(0, eager.tensor([0])), RuntimeError, "as many axes"),
])  # fmt: skip
def test_refusals(use, error, message):
    with pytest.raises(error, match=message):
        use(eager.ones(3, 3))


def test_comparison_of_whole_tensors():
    x = eager.tensor([1.0, 2.0])
    assert x.equal(x.clone())
    assert not x.equal(eager.tensor([1.0]))
    assert x.allclose(x + 1e-7)
    assert not x.allclose(x + 1e-3)


def test_functions_are_the_methods():
    x = eager.randn(3, 4, key=jax.random.key(0))
    assert eager.exp(x).equal(x.exp())
    assert eager.max(x, 1)[1].equal(x.argmax(1))
    assert eager.flatten(eager.stack([x, x]), 1).shape == (2, 12)
    for name in set(eager.functions.__all__) - {"frobenius_norm", "nuclear_norm", "rsub"}:
        assert inspect.unwrap(getattr(eager, name)) is inspect.unwrap(getattr(eager.Tensor, name))


def test_the_signature_of_methods_is_that_of_the_function():
    assert list(inspect.signature(eager.Tensor.sum).parameters) == ["x", "dim", "keepdim", "dtype"]
