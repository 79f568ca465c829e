"""Devices, and what scripts ask of `cuda`, `backends` and `mps`, against torch on a machine without accelerators."""

import copy
import pickle

import jax
import jax.numpy as jnp
import pytest
import torch

from funcvision import eager


@pytest.mark.parametrize("given", [("cpu",), ("cuda",), ("cuda:1",), ("cuda", 1), ("cpu", 0), ("mps",)])
def test_what_a_device_says(given):
    ours, theirs = eager.device(*given), torch.device(*given)
    assert (ours.type, ours.index, str(ours), repr(ours)) == (theirs.type, theirs.index, str(theirs), repr(theirs))
    assert eager.device(ours) == ours == pickle.loads(pickle.dumps(ours)) == copy.deepcopy(ours)
    assert hash(ours) == hash(eager.device(*given))


def test_devices_are_compared():
    assert eager.device("cuda") != eager.device("cuda:0")
    assert eager.device("cpu") != "cpu"
    assert eager.ones(1).device == eager.device("cpu") == jax.devices("cpu")[0]
    assert {eager.ones(1).device} == {jax.devices("cpu")[0]}
    with pytest.raises(RuntimeError, match="is not a device"):
        eager.device("foo")
    with pytest.raises(RuntimeError, match="has a number"):
        eager.device("cuda:1", 2)


def test_a_device_that_is_absent_is_one_error():
    for use in (
        lambda: eager.ones(2).cuda(), lambda: eager.ones(2).to("cuda:0"), lambda: eager.zeros(2, device="cuda"),
        lambda: eager.ones(2).to(eager.device("tpu")), lambda: eager.tensor([1], device="cuda"),
        lambda: eager.rand(2, device=0), lambda: eager.set_default_device("cuda"), lambda: eager.cuda.current_device(),
        lambda: eager.ones(2).to("mps"), lambda: eager.cuda.get_device_name(),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"there is no device .* here; jax has cpu"):
            use()


CREATIONS = [
    lambda d: eager.zeros(2, device=d), lambda d: eager.ones(2, device=d), lambda d: eager.empty(2, device=d),
    lambda d: eager.full((2,), 1.0, device=d), lambda d: eager.arange(2, device=d), lambda d: eager.eye(2, device=d),
    lambda d: eager.linspace(0, 1, 2, device=d), lambda d: eager.tensor([1.0], device=d),
    lambda d: eager.rand(2, device=d), lambda d: eager.randn(2, device=d), lambda d: eager.randperm(2, device=d),
    lambda d: eager.randint(3, (2,), device=d), lambda d: eager.normal(0.0, 1.0, (2,), device=d),
    lambda d: eager.zeros_like(eager.ones(2), device=d), lambda d: eager.rand_like(eager.ones(2), device=d),
    lambda d: eager.zeros_like(eager.ones(2, device=d)), lambda d: eager.ones(2, device=d).new_zeros(3),
    lambda d: eager.as_tensor([1], device=d), lambda d: eager.ones(2).to(d), lambda d: eager.ones(2).to(device=d),
    lambda d: eager.ones(2).to(eager.ones(1, device=d)), lambda d: eager.Tensor(2, device=d) + 1,
]  # fmt: skip


@pytest.mark.parametrize("place", ["cpu:1", eager.device("cpu", 1), jax.devices("cpu")[1]], ids=str)
def test_creation_on_a_device(place):
    for number, create in enumerate(CREATIONS):
        made = create(place)
        assert made.array.device == jax.devices("cpu")[1], number
        assert made.device == eager.device("cpu:1"), number
        assert str(made.device) == "cpu:1"


def test_the_default_device():
    other = eager.device("cpu:1")
    try:
        eager.set_default_device(other)
        assert eager.get_default_device() == other == eager.zeros(2).device == eager.randn(2).device
        assert repr(eager.zeros(2)) == "tensor([0., 0.])"
    finally:
        eager.set_default_device(None)
    assert eager.get_default_device() == eager.device("cpu")
    with other:
        assert eager.ones(2).device == other
    assert eager.ones(2).device == eager.device("cpu")


def test_shardings_stay():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,), devices=jax.devices("cpu")[:2])
    sharding = jax.sharding.NamedSharding(mesh, jax.P("data"))
    x = eager.ones(4).to(sharding)
    assert x.device == sharding
    assert (x * 2).tolist() == [2] * 4
    assert eager.zeros_like(x).device == sharding


def test_tensors_in_a_compiled_function_are_on_the_default_device():
    @jax.jit
    def f(array):
        x = eager.Tensor(array)
        return (x + eager.ones(2, device=x.device).to("cpu")).array

    assert f(jnp.ones(2)).tolist() == [2, 2]


def test_questions_to_the_modules_of_devices():
    assert eager.cuda.is_available() is torch.cuda.is_available()
    assert eager.cuda.device_count() == eager.mps.device_count() == eager.xpu.device_count() == 0
    assert not eager.mps.is_available()
    assert not eager.xpu.is_available()
    assert not eager.backends.mps.is_available()
    assert not eager.cuda.is_bf16_supported()
    assert not eager.accelerator.is_available()
    assert eager.accelerator.current_accelerator() is None
    eager.cuda.empty_cache()
    eager.cuda.manual_seed_all(5)
    assert eager.initial_seed() == 5
    from funcvision.eager.backends import cudnn

    cudnn.benchmark, cudnn.deterministic = True, True
    assert eager.backends.cudnn.benchmark
    cudnn.benchmark, cudnn.deterministic = False, False


def test_storage():
    ours, theirs = eager.ones(2, 3, 4), torch.ones(2, 3, 4)
    for ask in (
        lambda x: x.is_cuda, lambda x: x.is_cpu, lambda x: x.get_device(), lambda x: x.element_size(),
        lambda x: x.itemsize, lambda x: x.nbytes, lambda x: x.stride(), lambda x: x.stride(1), lambda x: x.stride(-1),
        lambda x: x.is_contiguous(), lambda x: x.mT.is_contiguous(), lambda x: x.mT.contiguous().is_contiguous(),
        lambda x: x.nelement(), lambda x: x.is_pinned(), lambda x: x.is_sparse, lambda x: x.ndimension(),
        lambda x: x.transpose(0, 2).stride(), lambda x: x[:, 1].stride(), lambda x: str(x.layout),
        lambda x: x.dim_order(), lambda x: x.transpose(0, 2).dim_order(), lambda x: x.storage_offset(),
        lambda x: x[1, 2].storage_offset(), lambda x: x.data_ptr() > 0, lambda x: x[1:, :, 2].storage_offset(),
    ):  # fmt: skip
        assert ask(ours) == ask(theirs)
