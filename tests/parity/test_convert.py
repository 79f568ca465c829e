"""Checkpoints that torch wrote are read as torch reads them, and torch reads what is written."""

import argparse
import collections
import datetime
import enum
import pathlib
import re

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from funcvision import cli
from funcvision.vision import _element_types, _torch_file, convert, models

FORMATS = {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}, "protocol 4": {"pickle_protocol": 4}}


@pytest.fixture(params=FORMATS)
def save(request, tmp_path):
    """Saves with torch in one of its formats, and returns the path."""

    def save(content):
        torch.save(content, tmp_path / "w.pth", **FORMATS[request.param])
        return tmp_path / "w.pth"

    return save


def numbers(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as a numpy array, also of types for which torch has no `numpy()`."""
    element = _element_types.BY_TORCH[str(tensor.dtype).removeprefix("torch.")]
    dense = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())
    raw = dense.reshape(-1).view(torch.uint8).numpy() if dense.numel() else np.empty(0, np.uint8)
    return raw.view(element.dtype).reshape(tensor.shape)


def assert_reads(path, expected):
    ours = convert.read_torch(path)
    assert list(ours) == list(expected)
    for name, tensor in expected.items():
        theirs = numbers(tensor)
        assert (ours[name].dtype, ours[name].shape) == (theirs.dtype, theirs.shape), name
        assert ours[name].tobytes() == theirs.tobytes(), name


def randomised(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The model in evaluation mode, with random running statistics."""
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in model.named_buffers():
        if buffer.dtype.is_floating_point:
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + (0.5 if name.endswith("var") else -0.5))
        else:
            buffer.fill_(3)
    return model.eval()


@pytest.mark.parametrize("element", _element_types.BY_DTYPE.values(), ids=lambda element: element.torch)
def test_every_dtype_is_read_and_written(save, tmp_path, element):
    dtype = getattr(torch, element.torch)
    flat = torch.arange(12 * dtype.itemsize, dtype=torch.uint8) % (2 if dtype == torch.bool else 127)
    tensor = flat.view(dtype)
    expected = {"w": tensor.reshape(3, 4), "scalar": tensor[3], "part": tensor[2:9:3], "empty": tensor[:0].view(0, 4)}
    assert_reads(save(expected), expected)
    convert.write(tmp_path / "again.pth", convert.read_torch(save(expected)))
    for mmap in (False, True):
        again = torch.load(tmp_path / "again.pth", weights_only=True, mmap=mmap)
        assert list(again) == list(expected)
        for name, tensor in expected.items():
            assert again[name].dtype == dtype
            assert again[name].is_contiguous()
            assert numbers(again[name]).tobytes() == numbers(tensor).tobytes(), name


def test_views_of_storages(save):
    base = torch.arange(120, dtype=torch.float32).reshape(4, 5, 6)
    parameter = torch.nn.Parameter(base.clone())
    expected = collections.OrderedDict({
        "base": base, "tied": base, "transposed": base.permute(2, 0, 1), "middle": base[1:3, 2:, ::2],
        "row": base[2, 3], "expanded": base[:1, :1].expand(7, 9, 6),
        "channels last": base[None].contiguous(memory_format=torch.channels_last),
        "diagonal": base[0].diagonal(), "unfolded": torch.arange(9.0).unfold(0, 3, 1), "scalar": base[1, 2, 3],
        "empty": base[:, 5:], "one": base[:1, 2:3].transpose(0, 1), "parameter": parameter, "tied parameter": parameter,
        "negative": torch._neg_view(base), "conjugate": torch.complex(base, base + 1).conj(),
        "imaginary": torch.complex(base, base + 1).conj().imag,
    })  # fmt: skip
    assert_reads(save(expected), expected)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.booleans(), st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.uint16]))
def test_any_view_of_a_storage(tmp_path_factory, data, legacy, dtype):
    size = data.draw(st.integers(1, 60))
    storage = torch.arange(size).to(dtype)
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    strides = data.draw(st.lists(st.integers(0, 5), min_size=len(shape), max_size=len(shape)))
    reach = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) if all(shape) else 0
    if reach >= size:
        return
    expected = {"w": storage.as_strided(shape, strides, data.draw(st.integers(0, size - reach - 1))), "all": storage}
    path = tmp_path_factory.getbasetemp() / "view.pth"
    torch.save(expected, path, _use_new_zipfile_serialization=not legacy)
    assert_reads(path, expected)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(3, 4)
        self.bn = torch.nn.BatchNorm1d(4)
        self.register_buffer("steps", torch.tensor(5))

    def forward(self, x):
        return self.bn(self.a(x))


def trained(optimizer, scheduler):
    """A checkpoint as torchvision's training scripts write it, without their `args`."""
    net = Net()
    optimizer = optimizer(net.parameters())
    scheduler = scheduler(optimizer)
    net(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    scaler = {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 0}
    return net, {
        "epoch": 3, "model": net.state_dict(), "optimizer": optimizer.state_dict(), "best": {"acc": 0.5, "at": None},
        "lr_scheduler": scheduler.state_dict(), "scaler": scaler, "device": torch.device("cpu"), "dtype": torch.float32,
        "size": torch.Size([3, 4]), "names": {"a", "b"}, "shape": (1, 2.5, True), "raw": b"\x00\xff",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("optimizer", "scheduler"),
    [
        (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 3, 3])),
        (lambda p: torch.optim.AdamW(p, 0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)),
        (lambda p: torch.optim.Adam(p, 0.1, amsgrad=True), lambda o: torch.optim.lr_scheduler.StepLR(o, 10)),
    ],
)
def test_training_checkpoints(save, optimizer, scheduler):
    net, checkpoint = trained(optimizer, scheduler)
    assert_reads(save(checkpoint), net.state_dict())
    with pytest.raises(ValueError, match=r"in its entry 'optimizer': state, param_groups are not tensors"):
        convert.read_torch(save(checkpoint), entry="optimizer")


class Mode(enum.Enum):
    TRAIN = 1


class Event:
    """An object with attributes, as training scripts keep them."""

    def __init__(self):
        self.when, self.values = datetime.datetime(2024, 1, 2), {1, 2}


FOREIGN = {
    "argparse.Namespace": argparse.Namespace(lr=0.1, mode=Mode.TRAIN),
    "tests.parity.test_convert.Mode": Mode.TRAIN,
    "tests.parity.test_convert.Event": Event(),
    "pathlib.*PosixPath": pathlib.PurePosixPath("a/b"),
    "datetime.datetime": datetime.datetime(2024, 1, 2),
    "numpy.*scalar": np.float64(0.5),
    "numpy.*_reconstruct|numpy.*_frombuffer": np.arange(3.0),
    "builtins.range|__builtin__.xrange": range(3),
    "builtins.print|__builtin__.print": print,
    "torch._utils._rebuild_sparse_tensor": torch.eye(3).to_sparse(),
    "torch.nn.modules.linear.Linear": torch.nn.Linear(2, 3),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_objects_beside_the_weights_are_named_and_nothing_else(save, name, caplog):
    net = Net()
    content = {"model": net.state_dict(), "other": FOREIGN[name], FOREIGN["pathlib.*PosixPath"]: [FOREIGN[name]]}
    assert_reads(save(content), net.state_dict())
    (record,) = caplog.records
    assert re.search(rf"w\.pth names .*'({name})'.*: nothing of it was imported, called or run", record.getMessage())


def test_plain_data_beside_the_weights_is_not_named(save, caplog):
    net = Net()
    content = {
        "model": net.state_dict(), "numbers": {1, 2}, "frozen": frozenset("ab"), "z": 1j, "raw": bytearray(b"ab"),
        "count": collections.Counter("aab"), "device": torch.device("cuda:1"), "type": torch.float16,
        "default": collections.defaultdict(list, a=[1]), "ordered": collections.OrderedDict(a=1),
    }  # fmt: skip
    assert_reads(save(content), net.state_dict())
    assert caplog.records == []


def test_a_whole_model_gives_its_state_dict(save):
    class_names = ("torch.nn.modules.container.Sequential", "torch.nn.modules.linear.Linear")
    net = torch.nn.Sequential(collections.OrderedDict(first=Net(), act=torch.nn.ReLU(), last=torch.nn.Linear(4, 2)))
    net.register_buffer("hidden", torch.ones(1), persistent=False)
    net.again = net.last
    for content in (net, {"model": net, "epoch": 3}):
        path = save(content)
        assert_reads(path, net.state_dict())
        assert set(class_names) <= set(_torch_file.TorchFile(path).foreign)
    resnet18 = torchvision.models.resnet18(num_classes=3)
    assert_reads(save(resnet18), resnet18.state_dict())


def test_a_tensor_with_attributes_is_a_tensor(save):
    plain, parameter = torch.arange(3.0), torch.nn.Parameter(torch.ones(2))
    plain.tag, parameter.tag = "mine", {"a": 1}
    assert_reads(save({"plain": plain, "parameter": parameter}), {"plain": plain, "parameter": parameter})


def test_foreign_objects_among_the_weights_are_refused_by_name(save):
    net = Net()
    with pytest.raises(ValueError, match=r"names 'argparse\.Namespace', and only tensors and plain data are read"):
        convert.read_torch(save({"args": argparse.Namespace(lr=0.1)}))
    with pytest.raises(ValueError, match=r"steps is not a tensor\..*names 'numpy\..*(scalar|_reconstruct)'"):
        convert.read_torch(save(net.state_dict() | {"steps": np.float64(0.5)}))
    with pytest.raises(ValueError, match=r"names 'tests\.parity\.test_convert\.Event'.*state_dict"):
        convert.read_torch(save(Event()))


class Subclass(torch.Tensor):
    pass


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*[Qq]uantiz:UserWarning")
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
@pytest.mark.filterwarnings("ignore:ComplexHalf:UserWarning")
def test_other_kinds_of_tensor_are_refused(save):
    dense = torch.eye(3)
    for tensor, message in (
        (dense.to_sparse(), r"holds a sparse tensor \(torch\._utils"),
        (dense.to_sparse_csr(), r"holds a sparse tensor \(torch\._utils"),
        (torch.quantize_per_tensor(dense, 0.1, 0, torch.qint8), "holds a quantised tensor"),
        (torch.empty(3, device="meta"), "holds a meta tensor"),
        (dense.to(torch.complex32), r"of type torch\.complex32, which numpy does not have"),
        (dense.as_subclass(Subclass), "holds a tensor subclass"),
    ):
        with pytest.raises(ValueError, match=message):
            convert.read_torch(save({"w": tensor}))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_refused(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 3)).save(tmp_path / "w.pt")
    with pytest.raises(ValueError, match="is a TorchScript archive"):
        convert.read_torch(tmp_path / "w.pt")


def test_wrapped_models(save):
    net = Net()
    expected = {name: numbers(tensor) for name, tensor in net.state_dict().items()}
    averaged = torch.optim.swa_utils.AveragedModel(net)
    for wrapped in (torch.nn.DataParallel(net), averaged, torch.nn.DataParallel(torch.nn.DataParallel(net))):
        for content in (wrapped.state_dict(), {"model_ema": wrapped.state_dict(), "epoch": 1}):
            read = convert.read_torch(save(content))
            assert list(read) == list(wrapped.state_dict())
            stripped = convert.strip_prefixes(read)
            assert list(stripped) == list(expected)
            for name, array in expected.items():
                np.testing.assert_array_equal(stripped[name], array)


def test_64_bit_headers(tmp_path, monkeypatch):
    """The headers of members of more than a gigabyte, here written for all members."""
    monkeypatch.setattr(_torch_file, "_LARGE", -1)
    expected = {name: numbers(tensor) for name, tensor in Net().state_dict().items()}
    convert.write(tmp_path / "w.pth", expected)
    for mmap in (False, True):
        read = torch.load(tmp_path / "w.pth", weights_only=True, mmap=mmap)
        for name, array in expected.items():
            np.testing.assert_array_equal(read[name].numpy(), array)
            assert not mmap or not array.size or read[name].untyped_storage().data_ptr() % 64 == 0
    assert {name: array.tobytes() for name, array in convert.read(tmp_path / "w.pth").items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


# Models

def resnet(num_classes: int = 1000, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return randomised(torchvision.models.resnet18(num_classes=num_classes), seed)


@pytest.fixture(scope="module")
def theirs():
    return resnet(num_classes=10)


def assert_loads_strictly(path, theirs):
    """Asserts that the file holds exactly the state dict of torchvision's model, and that torchvision loads it."""
    state = torch.load(path, weights_only=True) if path.suffix == ".pth" else safetensors.torch.load_file(path)
    fresh = torchvision.models.resnet18(num_classes=10)
    fresh.load_state_dict(state, strict=True)
    for (name, ours), (expected_name, expected) in zip(
        fresh.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert name == expected_name
        assert ours.dtype == expected.dtype
        assert torch.equal(ours, expected), name


def reordered(tensor):
    """The same tensor with the opposite order of axes in memory."""
    axes = tuple(range(tensor.ndim))[::-1]
    return tensor.permute(axes).contiguous().permute(axes)


def variants(state):
    """The same weights in the forms in which different programs save them."""
    yield "plain", state, {}
    yield "legacy", state, FORMATS["legacy"]
    yield "wrapped", {"model": {f"module.{name}": tensor for name, tensor in state.items()}, "epoch": 3}, {}
    yield "nested", {"state_dict": state, "arch": "resnet18"}, FORMATS["legacy"]
    yield "transposed", {name: reordered(tensor) for name, tensor in state.items()}, {}
    yield "shuffled", dict(sorted(state.items())), {}


def test_the_command_there_and_back(tmp_path, theirs, capsys):
    state = theirs.state_dict()
    for name, content, options in variants(state):
        source, middle, back = tmp_path / f"{name}.bin", tmp_path / f"{name}.safetensors", tmp_path / f"{name}.pth"
        torch.save(content, source, **options)
        assert cli.main(["convert", str(source), str(middle)]) == 0
        assert cli.main(["convert", str(middle), str(back), "--model", "resnet18"]) == 0
        assert list(convert.read(middle)) == list(convert.read(back)) == list(state)
        assert_loads_strictly(middle, theirs)
        assert_loads_strictly(back, theirs)
        out, err = capsys.readouterr()
        assert err == ""
        assert out.splitlines()[0].startswith(f"resnet18: 11,181,642 parameters, 122 tensors -> {middle} (42.")


def test_the_command_without_counters_and_in_bfloat16(tmp_path, theirs, capsys):
    state = theirs.state_dict()
    torch.save({n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}, tmp_path / "old.pth")
    assert cli.main(["convert", str(tmp_path / "old.pth"), str(tmp_path / "new.safetensors")]) == 0
    new = safetensors.torch.load_file(tmp_path / "new.safetensors")
    fresh = torchvision.models.resnet18(num_classes=10)
    fresh.load_state_dict(new, strict=True)
    assert torch.equal(fresh.fc.weight, theirs.fc.weight)
    assert fresh.bn1.num_batches_tracked == 0
    for dtype in (torch.bfloat16, torch.float16):
        half = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
        torch.save(half, tmp_path / "half.pth")
        assert cli.main(["convert", str(tmp_path / "half.pth"), str(tmp_path / "half.safetensors"), "--force"]) == 0
        again = safetensors.torch.load_file(tmp_path / "half.safetensors")
        for name, tensor in half.items():
            assert again[name].dtype == tensor.dtype
            assert torch.equal(again[name], tensor)
    assert "parameters" in capsys.readouterr().out


def test_loaded_models_compute_the_same(tmp_path, theirs):
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = models.resnet18(num_classes=10)
    params, state = convert.load(tmp_path / "w.pth", model)
    images = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    ours, _ = jax.jit(model.apply)(params, state, images.permute(0, 2, 3, 1).numpy())
    expected = theirs(images).detach().numpy()
    assert np.abs(np.asarray(ours) - expected).max() < 1e-5 * np.abs(expected).max()
    back = convert.to_torch(model, params, state)
    assert list(back) == list(theirs.state_dict())
    fresh = torchvision.models.resnet18(num_classes=10)
    fresh.load_state_dict({name: torch.from_numpy(array) for name, array in back.items()}, strict=True)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name


def test_saved_models_load_in_torchvision(tmp_path):
    model = models.resnet18(num_classes=10, in_channels=3)
    params, state = model.init(jax.random.key(0))
    convert.save(tmp_path / "w.pth", model, params, state)
    fresh = torchvision.models.resnet18(num_classes=10).eval()
    fresh.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True, mmap=True), strict=True)
    images = torch.randn(1, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    ours, _ = jax.jit(model.apply)(params, state, images.permute(0, 2, 3, 1).numpy())
    expected = fresh(images).detach().numpy()
    assert np.abs(np.asarray(ours) - expected).max() < 1e-5 * np.abs(expected).max()


def test_mnasnet_needs_the_version_that_is_written(tmp_path):
    """torchvision's MNASNet raises if a state dict has no version."""
    theirs = torchvision.models.mnasnet0_5(num_classes=3)
    convert.write(tmp_path / "w.pth", {name: numbers(tensor) for name, tensor in theirs.state_dict().items()})
    fresh = torchvision.models.mnasnet0_5(num_classes=3)
    fresh.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True), strict=True)
    assert torch.equal(fresh.classifier[1].weight, theirs.classifier[1].weight)


def test_bfloat16_values_are_torch_s(tmp_path):
    tensor = torch.tensor([1.0, -2.5, 3.14159, 1e30, float("inf")], dtype=torch.bfloat16)
    torch.save({"w": tensor}, tmp_path / "w.pth")
    read = convert.read_torch(tmp_path / "w.pth")["w"]
    assert read.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(read.astype(np.float32), tensor.float().numpy())
