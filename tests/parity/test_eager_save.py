"""Files of `eager.save` in torch, and files of torch in `eager.load`."""

import collections
import io
import pickle

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import nn

DTYPES = ["float32", "float16", "bfloat16", "int64", "int16", "int8", "uint8", "bool", "complex64"]


def in_torch(obj):
    stream = io.BytesIO()
    eager.save(obj, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=True)


def from_torch(obj, **options):
    stream = io.BytesIO()
    torch.save(obj, stream, **options)
    stream.seek(0)
    return eager.load(stream)


def numbers(tensor):
    """The values of a Tensor of either library, as float64 or complex."""
    if isinstance(tensor, torch.Tensor):
        tensor = tensor.detach()
        return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64).numpy()
    return np.asarray(tensor.array).astype(np.complex128 if tensor.dtype == np.complex64 else np.float64)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("legacy", [False, True])
def test_every_dtype(name, legacy):
    theirs = (torch.arange(6).reshape(2, 3) - 2).to(getattr(torch, name))
    content = {"all": theirs, "none": theirs[:0], "one": theirs[1, 2], "turned": theirs.t().clone().t()}
    ours = from_torch(content, _use_new_zipfile_serialization=not legacy)
    assert list(ours) == list(content)
    for key, tensor in content.items():
        assert tuple(ours[key].shape) == tuple(tensor.shape)
        assert ours[key].dtype == getattr(eager, name)
        np.testing.assert_array_equal(numbers(ours[key]), numbers(tensor))
    back = in_torch(ours)
    for key, tensor in content.items():
        assert back[key].dtype == tensor.dtype
        assert torch.equal(back[key], tensor)


CHECKPOINT = {
    "epoch": 3, "best": 0.25, "name": "übung", "history": [1.5, (2, None, True)], "big": 2**70, "small": -1,
    "counts": collections.Counter("aab"), "set": {1, "a"}, "bytes": b"\x00\xff", "array": bytearray(b"ab"),
    "complex": 1 - 2j, "ordered": collections.OrderedDict(b=1, a={2: []}), "empty": [(), {}, "", b"", set()],
    "infinite": float("inf"),
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"])
def test_plain_data_goes_both_ways(options):
    for found in (in_torch(CHECKPOINT), from_torch(CHECKPOINT, **options)):
        assert found == CHECKPOINT
        assert [type(value) for value in found.values()] == [type(value) for value in CHECKPOINT.values()]


def test_flags_go_both_ways():
    theirs = {
        "parameter": torch.nn.Parameter(torch.ones(2)), "frozen": torch.nn.Parameter(torch.ones(2), False),
        "grad": torch.ones(2, requires_grad=True), "plain": torch.ones(2), "size": torch.Size([2, 3]),
    }  # fmt: skip
    ours = from_torch(theirs)
    back = in_torch(ours)
    for name in ("parameter", "frozen", "grad", "plain"):
        assert isinstance(ours[name], nn.Parameter) == (name in ("parameter", "frozen"))
        assert isinstance(back[name], torch.nn.Parameter) == (name in ("parameter", "frozen"))
        assert ours[name].requires_grad == back[name].requires_grad == theirs[name].requires_grad
    assert ours["size"] == back["size"] == theirs["size"]
    assert type(back["size"]) is torch.Size


def test_dtypes_and_devices_go_both_ways():
    theirs = {"dtypes": [torch.bool, torch.bfloat16, torch.int64], "device": torch.device("cuda", 1)}
    ours = from_torch(theirs)
    assert ours["dtypes"] == [eager.bool, eager.bfloat16, eager.int64]
    assert ours["device"] == eager.device("cuda:1")
    assert in_torch(ours) == theirs


def test_shared_elements_go_both_ways():
    whole = torch.arange(12.0).reshape(3, 4)
    weight = torch.nn.Parameter(torch.ones(2))
    theirs = {
        "whole": whole, "row": whole[1], "column": whole[:, 2], "turned": whole.t(), "weight": weight,
        "tied": weight.detach(), "same": weight,
    }  # fmt: skip
    ours = from_torch(theirs)
    back = in_torch(ours)
    for found in (ours, back):
        assert found["weight"] is found["same"]
        found["whole"][1, 2] = 100.0
        found["tied"][0] = 7.0
        assert found["row"].tolist() == [4, 5, 100, 7]
        assert found["column"].tolist() == [2, 100, 10]
        assert found["turned"].tolist()[2] == [2, 100, 10]
        assert found["weight"].tolist() == [7, 1]


def test_state_dicts_of_modules_and_optimizers():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.randn(2, 1, 5, 5)).square().sum().backward()
    optimizer.step()
    ours = from_torch({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    back = in_torch(ours)
    fresh = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    fresh.load_state_dict(back["model"])
    again = torch.optim.Adam(fresh.parameters(), lr=0.5)
    again.load_state_dict(back["optimizer"])
    assert again.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    for number, state in optimizer.state_dict()["state"].items():
        for name, tensor in state.items():
            assert torch.equal(again.state_dict()["state"][number][name], tensor)
    for name, tensor in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor)
    assert ours["model"]._metadata == model.state_dict()._metadata


def test_what_torch_refuses_is_refused():
    stream = io.BytesIO()
    torch.save(torch.nn.Linear(2, 2), stream)
    for load, options in ((torch.load, {"weights_only": True}), (eager.load, {})):
        stream.seek(0)
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            load(stream, **options)
