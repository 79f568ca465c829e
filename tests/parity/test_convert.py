"""Checkpoints that torch wrote are read as torch reads them, and torch reads what is written."""

import argparse
import collections
import datetime
import decimal
import enum
import pathlib
import re
import subprocess
import sys

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
from funcvision._weight_files import element_types, torch_file
from funcvision.vision import convert, models

FORMATS = {
    "zip": {}, "legacy": {"_use_new_zipfile_serialization": False}, "protocol 4": {"pickle_protocol": 4},
    "protocol 1": {"pickle_protocol": 1},
}


@pytest.fixture(params=FORMATS)
def save(request, tmp_path):
    """Saves with torch in one of its formats, and returns the path."""

    def save(content):
        torch.save(content, tmp_path / "w.pth", **FORMATS[request.param])
        return tmp_path / "w.pth"

    return save


def numbers(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as a numpy array, also of types for which torch has no `numpy()`."""
    element = element_types.BY_TORCH[str(tensor.dtype).removeprefix("torch.")]
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


@pytest.mark.parametrize("element", element_types.BY_DTYPE.values(), ids=lambda element: element.torch)
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


class Flags(enum.IntFlag):
    FAST = 1
    LOUD = 2


Point = collections.namedtuple("Point", "x y")


class Event:
    """An object with attributes, as training scripts keep them."""

    def __init__(self):
        self.when, self.values = datetime.datetime(2024, 1, 2), {1, 2}


FOREIGN = {
    "argparse.Namespace": argparse.Namespace(lr=0.1, mode=Mode.TRAIN),
    "tests.parity.test_convert.Mode": Mode.TRAIN,
    "tests.parity.test_convert.Flags": Flags.FAST | Flags.LOUD,
    "tests.parity.test_convert.Event": Event(),
    "tests.parity.test_convert.Point": Point(1, 2),
    "datetime.date": datetime.date(2024, 1, 2),
    "datetime.timedelta": datetime.timedelta(1),
    "decimal.Decimal": decimal.Decimal("0.1"),
    "numpy.dtype": np.dtype("f4"),
    "numpy.*_reconstruct": np.array(["a", None], dtype=object),
    "numpy.random.*": np.random.default_rng(0),
    "collections.deque": collections.deque([1], maxlen=3),
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
    record = caplog.records[0]  # a model beside the weights has weights of its own, which another record says
    assert re.search(rf"w\.pth names .*'({name})'.*: nothing of it was imported, called or run", record.getMessage())


class InItself:
    """An object whose arguments, when it is made again, contain the object itself."""

    def __init__(self):
        self.own = (self,)

    def __reduce__(self):
        return InItself, (), {"own": self.own, "pair": (self.own, 1)}


def test_an_object_that_contains_itself(save):
    net = Net()
    circle = []
    circle.append((circle,))
    assert_reads(save({"model": net.state_dict(), "event": InItself(), "circle": circle[0]}), net.state_dict())


@pytest.mark.parametrize(
    "key",
    [
        frozenset({1}), (1, (2, 3)), 2**70, 2j, range(2), Mode.TRAIN, np.float32(1), datetime.date(2024, 1, 2),
        pathlib.PurePosixPath("a"), Point(1, 2), torch.ones(2),
    ],
    ids=repr,
)  # fmt: skip
def test_keys_of_any_kind_beside_the_weights(save, key):
    net = Net()
    assert_reads(save({key: 1, "model": net.state_dict(), "nested": {key: {key: [key]}}}), net.state_dict())


def test_the_checkpoint_of_torchvision_s_training_script(save, caplog):
    """What references/classification/train.py saves, with an averaged model and a learning rate of NumPy."""
    model = torchvision.models.shufflenet_v2_x0_5(num_classes=3)
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=lambda averaged, new, _: 0.9 * averaged + 0.1 * new)
    optimizer = torch.optim.SGD(model.parameters(), lr=np.float64(0.1), momentum=0.9)
    schedulers = torch.optim.lr_scheduler
    parts = [schedulers.LinearLR(optimizer), schedulers.CosineAnnealingLR(optimizer, 9)]
    scheduler = schedulers.SequentialLR(optimizer, parts, [3])
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    scheduler.step()
    checkpoint = {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "lr_scheduler": scheduler.state_dict(),
        "epoch": 3, "args": argparse.Namespace(lr=0.1, output_dir=pathlib.PurePosixPath("out"), clip=None),
        "model_ema": average.state_dict(), "scaler": torch.amp.GradScaler("cpu").state_dict(),
    }  # fmt: skip
    path = save(checkpoint)
    assert_reads(path, model.state_dict())
    named, chosen = [record.getMessage() for record in caplog.records]
    assert "'argparse.Namespace'" in named
    assert "'numpy" in named
    assert "in its entry 'model', which are read, and in 'model_ema'" in chosen
    found, loaded, state = models.load(None, path, entry="model_ema")
    assert isinstance(found, models.ShuffleNetV2)
    for name, array in convert.to_torch(found, loaded, state).items():
        np.testing.assert_array_equal(array, numbers(average.state_dict()[f"module.{name}"]))


def test_the_command_names_what_it_does_not_read(tmp_path):
    """In a process of its own, because pytest takes the warnings of loggers."""
    model = torchvision.models.squeezenet1_1(num_classes=2)
    torch.save({"model": model.state_dict(), "args": argparse.Namespace(lr=0.1)}, tmp_path / "w.pth")
    program = "import sys; from funcvision import cli; sys.exit(cli.main())"
    command = [sys.executable, "-c", program, "convert", str(tmp_path / "w.pth"), str(tmp_path / "w.safetensors")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    said = f"{tmp_path / 'w.pth'} names 'argparse.Namespace': nothing of it was imported, called or run\n"
    assert said in result.stderr
    assert result.stdout.startswith("squeezenet1_1: ")


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
        assert set(class_names) <= set(torch_file.TorchFile(path).foreign)
    resnet18 = torchvision.models.resnet18(num_classes=3)
    assert_reads(save(resnet18), resnet18.state_dict())


def compiled(net):
    return torch.compile(net, backend="eager")


class WithExtraState(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 3)

    def get_extra_state(self):
        return {"steps": 3}

    def set_extra_state(self, state):
        pass


@pytest.mark.parametrize(
    "wrap",
    [torch.nn.DataParallel, torch.optim.swa_utils.AveragedModel, compiled, torch.fx.symbolic_trace,
     lambda net: torch.nn.ModuleList([torch.fx.symbolic_trace(net), compiled(net)])],
    ids=["DataParallel", "AveragedModel", "compile", "fx", "fx and compile inside"],
)  # fmt: skip
def test_a_whole_wrapped_model_gives_its_state_dict(save, wrap):
    wrapped = wrap(Net())
    assert_reads(save(wrapped), wrapped.state_dict())


def test_what_modules_keep_besides_tensors_is_left_out(save):
    net = WithExtraState()
    expected = {name: tensor for name, tensor in net.state_dict().items() if isinstance(tensor, torch.Tensor)}
    assert set(net.state_dict()) - set(expected) == {"_extra_state"}
    assert_reads(save(net), expected)
    assert_reads(save(net.state_dict()), expected)


def test_a_part_of_a_model_that_does_not_show_its_tensors_is_refused(save):
    net = Net()
    net._modules["odd"] = Event()
    with pytest.raises(ValueError, match=r"part 'odd' does not show its tensors: an object named 'tests\..*Event'"):
        convert.read_torch(save(net))


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


@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
@pytest.mark.filterwarnings("ignore:ComplexHalf:UserWarning")
def test_other_kinds_of_tensor_are_refused(save):
    dense = torch.eye(3)
    for tensor, message in (
        (dense.to_sparse(), r"holds a sparse tensor \(torch\._utils"),
        (dense.to_sparse_csr(), r"holds a sparse tensor \(torch\._utils"),
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


def checkpointed(model):
    """The model with activation checkpointing in one of its parts, under the names that torch writes for FSDP."""
    return {
        re.sub(r"^(layer2|features\.1)\.", r"\1._fsdp_wrapped_module._checkpoint_wrapped_module.", name): tensor
        for name, tensor in model.state_dict().items()
    }


def with_parts_compiled(model):
    for name in ("layer1", "avgpool", "layer3"):
        setattr(model, name, torch.compile(getattr(model, name), backend="eager"))
    model.layer2 = torch.nn.DataParallel(model.layer2)
    return model.state_dict()


class Lightning(torch.nn.Module):
    """Names its network as most Lightning modules do, and holds a metric without tensors."""

    def __init__(self, net, name):
        super().__init__()
        self.metric = torch.nn.Identity()
        setattr(self, name, net)


WRAPPED = {
    "compiled": lambda net: compiled(net).state_dict(),
    "compiled and parallel": lambda net: compiled(torch.nn.DataParallel(net)).state_dict(),
    "parts compiled": with_parts_compiled,
    "parts compiled in a Lightning module": lambda net: {f"model.{n}": t for n, t in with_parts_compiled(net).items()},
    "checkpointed": checkpointed,
    "Lightning": lambda net: Lightning(net, "model").state_dict(),
    "Lightning, another attribute": lambda net: Lightning(compiled(net), "backbone").state_dict(),
    "another attribute, parts compiled": lambda net: {f"student.{n}": t for n, t in with_parts_compiled(net).items()},
    "averaged": lambda net: torch.optim.swa_utils.AveragedModel(net).state_dict(),
    "averaged Lightning": lambda net: torch.optim.swa_utils.AveragedModel(Lightning(net, "model")).state_dict(),
    "FSDP": lambda net: {f"_fsdp_wrapped_module.{n}": t for n, t in net.state_dict().items()},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("key", ["state_dict", "anything"])
def test_a_wrapped_model_is_recognised_and_loaded(tmp_path, theirs, wrap, key):
    """The model's own names decide which parts of a name belong to wrappers."""
    net = resnet(num_classes=10)
    net.load_state_dict(theirs.state_dict())
    torch.save({key: wrap(net), "epoch": 1}, tmp_path / "w.pth")
    expected = {name: numbers(tensor) for name, tensor in theirs.state_dict().items()}
    for name in ("resnet18", None):
        model, params, state = models.load(name, tmp_path / "w.pth")
        ours = convert.to_torch(model, params, state)
        assert list(ours) == list(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(ours[name], array, err_msg=name)
    assert cli.main(["convert", str(tmp_path / "w.pth"), str(tmp_path / "w.safetensors")]) == 0
    assert_loads_strictly(tmp_path / "w.safetensors", theirs)


def test_names_that_fit_in_more_than_one_way_are_refused(tmp_path, theirs):
    state = theirs.state_dict()
    twice = state | {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save(twice, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"conv1\.weight and module\.conv1\.weight are both conv1\.weight without"):
        models.load("resnet18", tmp_path / "w.pth")
    with pytest.raises(ValueError, match="is not recognised"):
        models.load(None, tmp_path / "w.pth")


def test_64_bit_headers(tmp_path, monkeypatch):
    """The headers of members of more than a gigabyte, here written for all members."""
    monkeypatch.setattr(torch_file, "_LARGE", -1)
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


LOADED_BY_TORCH = {
    "averaged counters": lambda name, t: torch.tensor(2.7) if name.endswith("tracked") else t,
    "counters of shape [1]": lambda name, t: t[None] if name.endswith("tracked") else t,
    "float counters of shape [1]": lambda name, t: torch.tensor([5.5]) if name.endswith("tracked") else t,
    "boolean counters": lambda name, t: t > 2 if name.endswith("tracked") else t,
    "int32 counters": lambda name, t: t.int() if name.endswith("tracked") else t,
    "all half": lambda name, t: t.half(),
    "all bfloat16": lambda name, t: t.bfloat16(),
    "all float64": lambda name, t: t.double(),
    "integer weights": lambda name, t: (10 * t).char() if name == "fc.weight" else t,
    "integer running statistics": lambda name, t: t.ceil().long() if "running" in name else t,
    "boolean weights": lambda name, t: t > 0 if name == "fc.bias" else t,
    "complex weights": lambda name, t: torch.complex(t, t) if name == "fc.bias" else t,
    "float16 weights": lambda name, t: t.half() if t.is_floating_point() else t,
    "one tensor shared by many names": lambda name, t: torch.full((1,), 0.5).expand(t.shape) if t.ndim else t,
    "not contiguous": lambda name, t: reordered(t),
    "steps in memory": lambda name, t: torch.stack([t, t], -1)[..., 1],
    "requires grad": lambda name, t: t.clone().requires_grad_() if t.is_floating_point() else t,
    "parameters": lambda name, t: torch.nn.Parameter(t, requires_grad=False),
}


@pytest.mark.filterwarnings("ignore:Casting complex values to real:UserWarning")
@pytest.mark.parametrize("change", LOADED_BY_TORCH.values(), ids=LOADED_BY_TORCH)
def test_what_torch_loads_strictly_is_loaded_with_its_values(tmp_path, theirs, change, capsys):
    changed = {name: change(name, tensor.detach()) for name, tensor in theirs.state_dict().items()}
    fresh = torchvision.models.resnet18(num_classes=10)
    fresh.load_state_dict(changed, strict=True)
    torch.save(changed, tmp_path / "w.pth")
    found, params, state = models.load(None, tmp_path / "w.pth", dtype=jax.numpy.float32)
    for name, array in convert.to_torch(found, params, state).items():
        np.testing.assert_array_equal(array, numbers(fresh.state_dict()[name]), err_msg=name, strict=True)
    assert cli.main(["convert", str(tmp_path / "w.pth"), str(tmp_path / "w.safetensors")]) == 0
    again = torchvision.models.resnet18(num_classes=10)
    again.load_state_dict(safetensors.torch.load_file(tmp_path / "w.safetensors"), strict=True)
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    "count", [torch.tensor(2**31), torch.tensor(2**40), torch.tensor(-(2**63)), torch.tensor(float("inf")).half(),
              torch.tensor(float("nan")), torch.tensor([1e30])], ids=str,
)  # fmt: skip
def test_counts_of_batches_beyond_int32(tmp_path, theirs, count, caplog):
    """torch takes them. Here they become a large count, which training can still count on from, with a warning."""
    changed = theirs.state_dict() | {"bn1.num_batches_tracked": count}
    torchvision.models.resnet18(num_classes=10).load_state_dict(changed, strict=True)
    torch.save(changed, tmp_path / "w.pth")
    _, _, state = models.load("resnet18", tmp_path / "w.pth")
    assert state["bn1.num_batches_tracked"] == 2**30
    assert state["layer1.0.bn1.num_batches_tracked"] == 3
    assert state["bn1.num_batches_tracked"].dtype == np.int32
    (record,) = caplog.records
    assert record.getMessage().startswith("bn1.num_batches_tracked is ")
    largest = {"bn1.num_batches_tracked": torch.tensor(2**31 - 1)}
    torch.save(theirs.state_dict() | largest, tmp_path / "w.pth")
    assert models.load("resnet18", tmp_path / "w.pth")[2]["bn1.num_batches_tracked"] == 2**31 - 1


def test_what_torch_refuses_is_refused(tmp_path, theirs):
    model = models.resnet18(num_classes=10)
    for name, tensor in (
        ("bn1.num_batches_tracked", torch.ones(2)), ("bn1.num_batches_tracked", torch.ones(1, 1)),
        ("fc.bias", torch.ones(1, 10)), ("conv1.weight", torch.ones(64, 3, 49)), ("fc.bias", torch.tensor(1.0)),
    ):  # fmt: skip
        changed = theirs.state_dict() | {name: tensor}
        with pytest.raises(RuntimeError, match="size mismatch"):
            torchvision.models.resnet18(num_classes=10).load_state_dict(changed, strict=True)
        torch.save(changed, tmp_path / "w.pth")
        with pytest.raises(ValueError, match=f"1 of another shape: {name} is"):
            convert.load(tmp_path / "w.pth", model)


def test_integer_buffers_as_other_numbers(tmp_path):
    """A Swin transformer has tables of indices, which a cast of the whole state dict makes floats."""
    theirs = torchvision.models.swin_t(num_classes=3)
    index = "features.1.0.attn.relative_position_index"
    for change in (torch.Tensor.half, torch.Tensor.double, torch.Tensor.short):
        changed = {name: change(t) if name == index else t for name, t in theirs.state_dict().items()}
        torch.save(changed, tmp_path / "w.pth")
        _, state = convert.load(tmp_path / "w.pth", models.swin_t(num_classes=3))
        np.testing.assert_array_equal(state[index], numbers(theirs.state_dict()[index]))
    changed[index] = torch.full(changed[index].shape, torch.nan)
    torch.save(changed, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=f"{index} has numbers that do not fit int64"):
        convert.load(tmp_path / "w.pth", models.swin_t(num_classes=3))


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
