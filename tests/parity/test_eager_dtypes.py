"""Dtypes and their promotion against torch: over all pairs, and over Tensors, 0-d Tensors and Python's numbers."""

import copy
import itertools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from funcvision import eager

NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "complex64"]
WIDE = [*NAMES, "float64", "complex128"]
NUMBERS = [True, 2, 2.0, 2j]


def same(ours, theirs):
    """Whether a dtype is torch's, where int64 is stored as int32 without jax_enable_x64. jax has no complex halves."""
    name = str(theirs).removeprefix("torch.").replace("complex32", "complex64")
    return ours == getattr(eager, name) and (not jax.config.read("jax_enable_x64") or repr(ours) == f"torch.{name}")


def names():
    return WIDE if jax.config.read("jax_enable_x64") else NAMES


@pytest.fixture(params=[False, True], ids=["32 bits", "64 bits"])
def bits(request):
    with jax.enable_x64(request.param):
        yield


@pytest.mark.usefixtures("bits")
def test_promotion_of_dtypes():
    for first, second in itertools.product(names(), repeat=2):
        theirs = torch.promote_types(getattr(torch, first), getattr(torch, second))
        assert same(eager.promote_types(getattr(eager, first), getattr(eager, second)), theirs), (first, second)


@pytest.mark.usefixtures("bits")
def test_promotion_of_tensors_scalars_and_numbers():
    """Every pair of a Tensor with axes or without, and a Tensor or Python's number."""
    ours, theirs = {}, {}
    for name, shape in itertools.product(names(), [(2,), ()]):
        ours[name, shape] = eager.ones(shape, dtype=getattr(eager, name))
        theirs[name, shape] = torch.ones(shape, dtype=getattr(torch, name))
    operands = [*ours, *NUMBERS]
    for first, second in itertools.product(ours, operands):
        expected = torch.result_type(theirs[first], theirs.get(second, second))
        assert same(eager.result_type(ours[first], ours.get(second, second)), expected), (first, second)


@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2,), ()), ((), (2,))])
def test_promotion_in_operations(shapes):
    for first, second in itertools.product(NAMES, repeat=2):
        ours = [eager.ones(s, dtype=getattr(eager, n)) for s, n in zip(shapes, (first, second), strict=True)]
        theirs = [torch.ones(s, dtype=getattr(torch, n)) for s, n in zip(shapes, (first, second), strict=True)]
        if torch.result_type(*theirs) == torch.complex32:  # torch has few kernels for it, and jax has no such dtype
            continue
        assert same((ours[0] + ours[1]).dtype, (theirs[0] + theirs[1]).dtype), (first, second)


def test_division_and_numbers():
    for name, number in itertools.product(NAMES, NUMBERS):
        x, y = eager.ones(2, dtype=getattr(eager, name)), torch.ones(2, dtype=getattr(torch, name))
        if torch.result_type(y, number) == torch.complex32:
            continue
        assert same((x / number).dtype, (y / number).dtype), (name, number)
        assert same((x + number).dtype, (y + number).dtype), (name, number)
        assert same((number * x).dtype, (number * y).dtype), (name, number)


@pytest.mark.parametrize("name", WIDE)
def test_what_a_dtype_says(name):
    ours, theirs = getattr(eager, name), getattr(torch, name)
    assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))
    assert ours.is_floating_point == theirs.is_floating_point
    assert (ours.is_complex, ours.is_signed) == (theirs.is_complex, theirs.is_signed)
    with jax.enable_x64(True):
        assert ours.itemsize == theirs.itemsize
    assert repr(ours.to_real()) == repr(theirs.to_real())
    if name in ("float32", "float64", "complex64", "complex128"):
        assert repr(ours.to_complex()) == repr(theirs.to_complex())
    assert isinstance(ours, eager.dtype)
    assert pickle.loads(pickle.dumps(ours)) is copy.deepcopy(ours) is ours
    for target in WIDE:
        assert eager.can_cast(ours, getattr(eager, target)) == torch.can_cast(theirs, getattr(torch, target))


def test_limits():
    for name in ("float16", "bfloat16", "float32", "float64", "complex64"):
        ours, theirs = eager.finfo(getattr(eager, name)), torch.finfo(getattr(torch, name))
        assert (ours.bits, ours.dtype) == (theirs.bits, theirs.dtype)
        for field in ("eps", "max", "min", "tiny", "smallest_normal", "resolution"):
            assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-6), (name, field)
        assert repr(ours) == repr(theirs)
    for name in ("uint8", "int8", "int16", "int32"):
        ours, theirs = eager.iinfo(getattr(eager, name)), torch.iinfo(getattr(torch, name))
        assert (ours.bits, ours.min, ours.max, ours.dtype) == (theirs.bits, theirs.min, theirs.max, theirs.dtype)
        assert repr(ours) == repr(theirs)
    assert eager.finfo().bits == 32
    for use in (lambda: eager.finfo(eager.int32), lambda: eager.iinfo(eager.float32)):
        with pytest.raises(TypeError, match=r"use [if]info"):
            use()


def test_the_names_of_the_default_integer():
    x = eager.tensor([1, 2])
    assert x.dtype == torch_like(eager.int64) == eager.long
    assert (repr(x.dtype), x.long().dtype, x.int().dtype) == ("torch.int64", eager.int64, eager.int32)
    assert hash(eager.int64) == hash(eager.int32)
    with jax.enable_x64(True):
        assert eager.int64 != eager.int32
        assert eager.tensor([1]).dtype == eager.int64 != eager.tensor([1]).int().dtype


def torch_like(dtype):
    return dtype


def test_jax_and_numpy_take_dtypes():
    for dtype in (eager.float32, eager.bfloat16, eager.int64, eager.bool, eager.complex64, eager.uint8):
        assert jnp.zeros(3, dtype=dtype).dtype == dtype == np.zeros(3, dtype).dtype
        assert jnp.ones(3).astype(dtype).dtype == dtype
        assert np.dtype(dtype) == dtype
    assert eager.float32 == np.float32 == eager.ones(1).dtype
    assert eager.float32 == jnp.float32
    assert eager.float32 not in (np.float64, np.int32, None, "text")
    assert {np.dtype("float32"): 1}[eager.float32] == 1


def test_the_default_dtype():
    with jax.enable_x64(True):
        try:
            for module in (eager, torch):
                module.set_default_dtype(module.float64)
            assert repr(eager.get_default_dtype()) == repr(torch.get_default_dtype())
            for make in (
                lambda t: t.tensor(1.0), lambda t: t.zeros(2), lambda t: t.tensor(1) / 2, lambda t: t.tensor(1j),
                lambda t: t.arange(2) * 1.0, lambda t: t.ones(2, dtype=t.float32) * 2.0, lambda t: t.rand(2),
                    lambda t: t.nn.Linear(2, 1).weight, lambda t: t.nn.BatchNorm1d(2).running_mean,
            ):  # fmt: skip
                assert same(make(eager).dtype, make(torch).dtype)
        finally:
            for module in (eager, torch):
                module.set_default_dtype(module.float32)
    assert (eager.tensor(1) / 2).dtype == eager.float32
    with pytest.raises(TypeError, match="must be a floating-point dtype"):
        eager.set_default_dtype(eager.int32)
    with pytest.raises(ValueError, match="float64 is turned off in jax"):
        eager.set_default_dtype(eager.float64)
    with pytest.raises(ValueError, match="float64 is turned off in jax"):
        eager.zeros(2, dtype=eager.float64)


CONVERSIONS = ["half", "bfloat16", "float", "byte", "char", "short", "int", "long", "bool", "cfloat"]


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversions(name):
    ours, theirs = getattr(eager.tensor([0.0, 2.0]), name)(), getattr(torch.tensor([0.0, 2.0]), name)()
    assert same(ours.dtype, theirs.dtype)
    assert ours.tolist() == theirs.tolist()
    if name != "int":
        assert ours.type() == theirs.type()
    assert (ours.is_complex(), ours.is_floating_point(), ours.is_signed()) == (
        theirs.is_complex(), theirs.is_floating_point(), theirs.is_signed()
    )  # fmt: skip
    assert eager.is_complex(ours) == theirs.is_complex()
    assert eager.is_floating_point(ours) == theirs.is_floating_point()


def test_types_by_name():
    x = eager.tensor([1.5, 2.5])
    assert x.type("torch.IntTensor").dtype == x.type(eager.int32).dtype == x.type(eager.IntTensor).dtype == eager.int32
    assert isinstance(x, eager.FloatTensor)
    assert not isinstance(x, eager.LongTensor)
    assert eager.is_tensor(x)
    assert not eager.is_tensor(x.numpy())
    with pytest.raises(ValueError, match="no type of Tensors"):
        x.type("torch.Whatever")


@pytest.mark.parametrize("make", [
    lambda t: t.FloatTensor([1, 2]), lambda t: t.LongTensor([1, 2]), lambda t: t.FloatTensor(2, 3) * 0,
    lambda t: t.ByteTensor([[1, 2]]), lambda t: t.BoolTensor([True, False]), lambda t: t.FloatTensor(),
    lambda t: t.Tensor([1, 2]), lambda t: t.Tensor(2, 3) * 0, lambda t: t.Tensor(),
    lambda t: t.Tensor(np.array([1, 2])), lambda t: t.HalfTensor([1.5]), lambda t: t.Tensor([[1.0]]),
    lambda t: t.Tensor(t.Size([2])) * 0,
])  # fmt: skip
def test_constructors_by_type(make):
    ours, theirs = make(eager), make(torch)
    assert same(ours.dtype, theirs.dtype)
    assert ours.tolist() == theirs.tolist()
    assert tuple(ours.shape) == tuple(theirs.shape)


def test_the_arguments_of_to():
    x = eager.tensor([1.0, 2.0])
    for moved in (
        x.to(eager.float16), x.to("cpu", eager.float16), x.to(device="cpu", dtype=eager.float16),
        x.to(x.half()), x.to(dtype=eager.float16, non_blocking=True), x.to(eager.float16, True, True),
        x.to(eager.device("cpu"), eager.float16, False), x.to(other=x.half()),
    ):  # fmt: skip
        assert moved.dtype == eager.float16
    assert x.to("cpu") is x.to(eager.float32) is x
    assert x.to("cpu", copy=True) is not x
    assert x.to("cpu", copy=True).tolist() == x.tolist()
