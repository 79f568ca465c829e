"""Hostile and damaged files: nothing in a file runs, nothing outside it is read, and one message says why."""

import contextlib
import io
import json
import os
import pickle
import re
import struct
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcvision._weight_files.torch_file import TorchFile
from funcvision._weight_files.torch_pickle import TorchPickle
from funcvision.vision import convert
from tests.vision.checkpoints import (
    STATE,
    assert_same,
    entry,
    legacy_bytes,
    nested,
    state_pickle,
    tensor_pickle,
    tensors,
    zip_file,
)  # fmt: skip


class Reduced:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(target):
    """Pickles that would leave a file at `target` if they ran, each with the name that must be reported."""
    import builtins
    import shutil
    import subprocess as processes

    command = f"touch {target}"
    yield "posix.system|nt.system", Reduced(os.system, command)
    yield "builtin.*eval", Reduced(builtins.eval, f"open({str(target)!r}, 'w')")
    yield "builtin.*exec", Reduced(builtins.exec, f"open({str(target)!r}, 'w')")
    yield "subprocess.Popen|commands.Popen", Reduced(processes.Popen, ["touch", str(target)])
    yield "builtin.*getattr", Reduced(getattr, Reduced(__import__, "os"), "system")
    yield "shutil.copy", Reduced(shutil.copyfile, __file__, str(target))
    yield "numpy.*reconstruct|numpy.*ndarray|numpy.*frombuffer", np.ones(3)
    yield "builtin.*print", {"w": [Reduced(print, "x")]}


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_a_pickle_runs(tmp_path, protocol, capfd):
    target = tmp_path / "ran"
    for name, attack in attacks(target):
        pickled = pickle.dumps(attack, protocol)
        plain = tmp_path / "w.bin"
        plain.write_bytes(pickled)
        legacy = tmp_path / "legacy.pth"
        legacy.write_bytes(b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {})) + pickled)
        for path in (zip_file(tmp_path / "w.pth", pickled), legacy, *([plain] if protocol > 1 else [])):
            with pytest.raises(ValueError, match=f"names '.*({name}).*nothing in it was run") as error:
                convert.read_torch(path)
            assert str(error.value).startswith(str(path))
    assert not target.exists()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_beside_the_weights_runs(tmp_path, protocol, capfd):
    """The weights are read, and what would run is only named."""
    target = tmp_path / "ran"
    for name, attack in attacks(target):
        pickled = pickle.dumps(attack, protocol)[2 if protocol > 1 else 0 : -1]
        if protocol > 3:
            pickled = pickled.removeprefix(b"\x95" + pickled[1:9])  # the frame, whose length is wrong here
        for content in (b"}" + entry("model", STATE) + entry("other", pickled), STATE):
            path = zip_file(tmp_path / "w.pth", nested(content), {"0": bytes(24)})
            assert_same(convert.read_torch(path), {"w": np.zeros((2, 3), np.float32)})
            foreign = TorchFile(path).foreign
            assert re.search(name, " ".join(foreign)) if content is not STATE else foreign == ()
    assert not target.exists()
    assert capfd.readouterr().out == ""


def module(parameters: bytes = b"}", modules: bytes = b"}") -> bytes:
    """The instructions for an object that looks like a `torch.nn.Module`."""
    state = b"}" + entry("_parameters", parameters) + entry("_buffers", b"}") + entry("_modules", modules)
    return b"cany\nModule\n)\x81" + state + b"b"


def test_pickled_models(tmp_path):
    storages = {"0": bytes(24)}
    inner = module(b"}" + entry("w", tensor_pickle()) + entry("none", b"N"))
    path = zip_file(tmp_path / "w.pth", nested(module(modules=b"}" + entry("a", inner) + entry("b", inner))), storages)
    assert list(convert.read_torch(path)) == ["a.w", "b.w"]
    in_itself = b"cany\nModule\n)\x81q\x09}" + b"".join(
        entry(name, content)
        for name, content in {"_parameters": b"}", "_buffers": b"}", "_modules": b"}" + entry("a", b"h\x09")}.items()
    ) + b"b"  # fmt: skip
    twice = b"}" + entry("a", b"h\x09") + entry("b", b"h\x09")
    doubling = b"]" + b"".join(module(modules=b"}" if level == 0 else twice) + b"q\x09a" for level in range(60))
    for pickled, message in (
        (nested(in_itself), "nested too deeply, or that contains it"),
        (nested(b"}" + entry("list", doubling) + entry("model", b"h\x09")), "nested too deeply, or that contains it"),
        (nested(module()), "has no state dict at its top: there is an empty dict"),
        (nested(module(b"}" + entry("w", b"K\x01"))), "w is not a tensor"),
    ):
        with pytest.raises(ValueError, match=message):
            convert.read_torch(zip_file(tmp_path / "w.pth", pickled, storages))


def test_placeholders_inside_each_other(tmp_path):
    deep = b"\x80\x02" + b"cos\nsystem\n" * 100_000 + b")R" + b"\x85R" * 99_999 + b"."
    state = b"\x80\x02}" + entry("w", tensor_pickle()) + b"cany\nThing\n)\x81q\x09h\x09bK\x01s."
    for pickled, message in ((deep, "there is an object named 'os.system'"), (state, "names 'any.Thing'")):
        with pytest.raises(ValueError, match=message):
            convert.read_torch(zip_file(tmp_path / "w.pth", pickled, {"0": bytes(24)}))


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"(S'x'\nios\nsystem\n.", r"names 'os\.system'"),
        (b"(K\x01)o.", "calls something that is not a name"),
        (b"(o.", "damaged pickle"),
        (b"(icos\n.", "damaged pickle"),
        (b"(cos\nsystem\nS'x'\no.", r"names 'os\.system'"),
        (b"\x80\x02ctorch\nSize\n)\x81.", r"calls torch\.Size with arguments of the wrong kind"),
        (b"\x80\x02\x82\x01.", "instruction EXT1"),
        (b"Pabc\n.", "instruction PERSID"),
        (b"\x80\x02U\x01aQ.", "outside the pickle that is not a storage"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x0c\0\0\0__defaults__)sb.", "sets attributes of a Global"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x01tR.", "_v2 with arguments of the wrong kind"),
        (b"\x80\x02K\x01)R.", "calls something that is not a name"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", r"there is an object named 'torch\.FloatStorage'"),
        (b"\x80\x04\x8c\x0cos.__dict__a\x8c\x06system\x93.", r"names 'os\.__dict__a\.system'"),
        (b"\x80\x04K\x01K\x02\x93.", "names '[?]'"),
        (b"ctorch._utils\n_rebuild_sparse_tensor\n.", "holds a sparse tensor"),
        (b"ctorch._utils\n_rebuild_qtensor\n.", "holds a quantised tensor"),
        (b"ctorch\nQInt8Storage\n.", "holds a quantised tensor"),
        (b"cargparse\nNamespace\n.", r"names 'argparse\.Namespace', and only tensors and plain data are read"),
        (b"ctorchvision.models.resnet\nResNet\n.", r"names 'torchvision\.models\.resnet\.ResNet'.*state_dict"),
        (b"ctorch.storage\n_load_from_bytes\n.", r"names 'torch\.storage\._load_from_bytes'"),
        (b"0.", "damaged pickle"),
        (b"1.", "damaged pickle"),
        (b"(0.", "damaged pickle"),
        (b"h\x05.", "damaged pickle"),
        (b"a.", "damaged pickle"),
        (b"K\x01K\x02a.", "appends to a int"),
        (b"K\x01K\x02K\x03s.", "sets items of a int"),
        (b"}(K\x01u.", "sets items of a dict"),
        (b"t.", "damaged pickle"),
        (b"\xff.", "damaged pickle"),
        (b"", "damaged pickle"),
        (b"K", "damaged pickle"),
        (b"c\xff\n\xff\n.", "damaged pickle"),
        (b"}}K\x01s.", "a dict is a key of a dict"),
        (b"}((((tttK\x01tK\x01s.", r"there are Placeholder\('a key of type tuple'\)"),
        (b"}\x8a\x20" + b"\x01" * 32 + b"K\x01s.", r"there are Placeholder\('a key of type int'\)"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "damaged pickle"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "damaged pickle"),
        (b"K\x01r\xff\xff\xff\x7f0.", "damaged pickle"),
        (b"ccollections\nOrderedDict\n](K\x01K\x02e\x85R.", "not made of pairs"),
    ],
)  # fmt: skip
def test_pickles_that_are_no_tensors(tmp_path, pickled, message):
    with pytest.raises(ValueError, match=message):
        convert.read_torch(zip_file(tmp_path / "w.pth", pickled))


def test_pickles_that_would_take_forever(tmp_path):
    """Very deep nesting, tuples whose hash doubles in time at each level, and one list that is copied repeatedly."""
    deep = b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b"."
    doubling = b"}" + b")" + b"2\x86" * 200 + b"K\x01s."
    pairs = b"](" + b"(K\x01K\x02l" * 10_000 + b"eq\x00"
    repeated = pairs + b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00\x85R" * 50_000
    for pickled, message in (
        (deep, "no state dict at its top: there is a list"),
        (doubling, "instruction DUP"),
        (repeated + b".", "copies more items than it holds"),
    ):
        with pytest.raises(ValueError, match=message):
            convert.read_torch(zip_file(tmp_path / "w.pth", pickled))
    shared = b")q\x00" + b"h\x00h\x00\x86q\x00" * 200 + b"}h\x00K\x01s."
    with pytest.raises(ValueError, match=r"there are Placeholder\('a key of type tuple'\)$"):
        convert.read_torch(zip_file(tmp_path / "w.pth", shared))
    path = zip_file(tmp_path / "w.pth", shared[:-1] + entry("model", STATE) + b".", {"0": bytes(24)})
    assert list(convert.read_torch(path)) == ["w"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": 1}, "reaches outside its storage of 24 bytes"),
        ({"shape": (3, 3)}, "reaches outside"),
        ({"strides": (4, 1)}, "reaches outside"),
        ({"shape": (2**61,), "strides": (8,)}, "reaches outside"),
        ({"offset": -1}, "not what torch writes"),
        ({"strides": (-3, 1)}, "not natural numbers"),
        ({"shape": (-2, 3)}, "not natural numbers"),
        ({"shape": (2, 3.0)}, "not natural numbers"),
        ({"shape": (True, True)}, "not natural numbers"),
        ({"shape": (2, 3, 1)}, "not what torch writes"),
        ({"shape": (1,) * 65, "strides": (1,) * 65}, "not what torch writes"),
        ({"shape": [2, 3]}, "not what torch writes"),
        ({"size": 7}, "holds too few bytes of storage '0'"),
        ({"size": -1}, "not a storage"),
        ({"size": 2**70}, "holds too few bytes"),
        ({"storage": "torch\nLongStorage"}, "holds too few bytes of storage '0'"),
        ({"storage": "torch\nfloat32"}, "damaged pickle"),
        ({"storage": "torch\nSize"}, "damaged pickle"),
        ({"shape": (10**12, 6), "strides": (0, 1)}, r"declares 24000000000000 bytes of tensors in a file of \d+"),
        ({"function": "_rebuild_tensor_v3", "rest": b"ctorch\ncomplex32\n"}, r"of type torch\.complex32, which numpy"),
        ({"function": "_rebuild_tensor_v3", "rest": b"K\x01"}, "of type [?]"),
        ({"function": "_rebuild_tensor_v3"}, "arguments of the wrong kind"),
    ],
)
def test_tensors_that_lie_outside_their_storage(tmp_path, options, message):
    path = zip_file(tmp_path / "w.pth", state_pickle(tensor_pickle(**options)), {"0": bytes(24)})
    with pytest.raises(ValueError, match=message):
        convert.read_torch(path)


def test_tensors_that_fill_their_storage_to_the_brim(tmp_path):
    values = np.arange(6, dtype=np.float32)
    for options, expected in (
        ({}, values.reshape(2, 3)),
        ({"shape": (3, 2), "strides": (1, 3)}, values.reshape(2, 3).T),
        ({"shape": (2,), "strides": (2,), "offset": 3}, values[3::2]),
        ({"shape": (), "strides": (), "offset": 5}, values[5]),
        ({"shape": (4, 6), "strides": (0, 1)}, np.broadcast_to(values, (4, 6))),
        ({"shape": (1, 6), "strides": (2**40, 1)}, values[None]),
        ({"shape": (0, 3), "strides": (3, 1), "offset": 6}, values[:0].reshape(0, 3)),
        ({"shape": (3, 2), "strides": (1, 2)}, np.lib.stride_tricks.as_strided(values, (3, 2), (4, 8))),
    ):
        path = zip_file(tmp_path / "w.pth", state_pickle(tensor_pickle(**options)), {"0": values.tobytes()})
        np.testing.assert_array_equal(convert.read_torch(path)["w"], expected, strict=True)


def test_big_endian_files(tmp_path):
    for storage, native in {
        "FloatStorage": np.arange(6, dtype=np.float32),
        "ComplexFloatStorage": np.arange(6).astype(np.complex64) * (1 - 2j),
        "BFloat16Storage": np.arange(6).astype(ml_dtypes.bfloat16),
        "ByteStorage": np.arange(6, dtype=np.uint8),
    }.items():
        width = native.itemsize // (2 if native.dtype.kind == "c" else 1)
        swapped = native.view(f"u{width}").byteswap().tobytes()
        pickled = state_pickle(tensor_pickle(storage=f"torch\n{storage}"))
        path = zip_file(tmp_path / "w.pth", pickled, {"0": swapped}, byteorder=b"big")
        assert_same(convert.read_torch(path), {"w": native.reshape(2, 3)})


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "w.pth"
    for content, message in (
        (b"", "is empty"),
        (b"hello", "is not a torch checkpoint: it is neither a zip archive nor a pickle"),
        (b"\0" * 600, "is not a torch checkpoint"),
        (b"<!DOCTYPE html><title>404</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (pickle.dumps({"a": 1}), "is a pickle, but not a torch checkpoint"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1002), "unknown version, 1002"),
        (b"PK\x03\x04", "truncated or damaged zip archive"),
        (b"\0" * 257 + b"ustar" + b"\0" * 300, "tar archive"),
    ):
        path.write_bytes(content)
        for read in (convert.read_torch, convert.read):
            with pytest.raises(ValueError, match=message) as error:
                read(path)
            assert str(error.value).startswith(str(path))
    with pytest.raises(FileNotFoundError):
        convert.read(tmp_path / "none.pth")
    with pytest.raises(IsADirectoryError):
        convert.read(tmp_path)
    convert.write(tmp_path / "w.safetensors", tensors())
    with pytest.raises(ValueError, match="is a safetensors file, not a torch checkpoint: `read` and `load` take both"):
        convert.read_torch(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="is a safetensors file, which has no entries such as 'model'"):
        convert.read(tmp_path / "w.safetensors", entry="model")


def test_zip_archives_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "w.pth"
    np.savez(tmp_path / "w.npz", a=np.ones(3))
    with pytest.raises(ValueError, match=r"a zip archive without a data\.pkl"):
        convert.read_torch(tmp_path / "w.npz")
    with pytest.raises(ValueError, match=r"TorchScript archive: load it with torch\.jit\.load"):
        convert.read_torch(zip_file(path, b"N.", **{"constants.pkl": b"N."}))
    with pytest.raises(ValueError, match="compressed or encrypted"):
        convert.read_torch(zip_file(path, state_pickle(tensor_pickle()), compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="lacks storage '0'"):
        convert.read_torch(zip_file(path, state_pickle(tensor_pickle())))
    content = zip_file(path, state_pickle(tensor_pickle()), {"0": bytes(24)}).read_bytes()
    path.write_bytes(content.replace(b"PK\x03\x04", b"PK\x03\x05"))
    with pytest.raises(ValueError, match="truncated or damaged"):
        convert.read_torch(path)


def test_legacy_files(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(legacy_bytes())
    assert_same(convert.read_torch(path), {"w": np.arange(6, dtype=np.float32).reshape(2, 3)})
    for content, message in (
        (legacy_bytes()[:-1], "storage '0' is not whole"),
        (legacy_bytes()[:-24], "storage '0' is not whole"),
        (legacy_bytes()[:-30], "storage '0' is not whole"),
        (legacy_bytes().replace(struct.pack("<q", 6), struct.pack("<q", 5)), "storage '0' is not whole"),
        (legacy_bytes().replace(pickle.dumps(["0"], 2), pickle.dumps([], 2)), "lacks 1 of 1 storages"),
        (legacy_bytes().replace(pickle.dumps(["0"], 2), pickle.dumps(["1"], 2)), "list of storages is not one"),
        (legacy_bytes().replace(pickle.dumps(["0"], 2), pickle.dumps(3, 2)), "list of storages is not one"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            convert.read_torch(path)


def test_storage_views_of_old_files(tmp_path):
    """Torch before 0.4 pickled a part of a storage as a view of it: (key, first element, elements)."""
    path = tmp_path / "w.pth"
    for view, expected in (
        (("7", 2, 3), [2, 4]), (("7", 3, 3), [3, 5]), (("7", 2, 2), "reaches outside its storage of 8 bytes"),
        (("7", 4, 3), "view of storage '0' that lies outside it"), (("7", -1, 3), "lies outside it"),
        ((), "lies outside it"), (3, "lies outside it"),
    ):  # fmt: skip
        path.write_bytes(legacy_bytes().replace(tensor_pickle(), tensor_pickle((2,), (2,), view=view)))
        if isinstance(expected, str):
            with pytest.raises(ValueError, match=expected):
                convert.read_torch(path)
        else:
            np.testing.assert_array_equal(convert.read_torch(path)["w"], np.array(expected, np.float32), strict=True)


def test_safetensors_that_are_damaged(tmp_path):
    path = tmp_path / "w.safetensors"
    convert.write(path, tensors())
    content = path.read_bytes()
    for cut in (9, 20, 200, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(ValueError, match="damaged or truncated safetensors file"):
            convert.read(path)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 240]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))
    with pytest.raises(ValueError, match="damaged or truncated safetensors file"):
        convert.read(path)


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """The content of one file of each format."""
    folder = tmp_path_factory.mktemp("intact")
    convert.write(folder / "w.pth", tensors())
    convert.write(folder / "w.safetensors", tensors())
    written = {"zip": folder / "w.pth", "safetensors": folder / "w.safetensors"}
    return {kind: path.read_bytes() for kind, path in written.items()} | {"legacy": legacy_bytes()}


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncation_at_every_length_is_told(tmp_path, intact, kind):
    path = tmp_path / "w"
    content = intact[kind]
    for length in {*range(0, len(content), max(1, len(content) // 150)), *range(len(content) - 25, len(content))}:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="^" + str(path)):
            convert.read(path)


@settings(max_examples=250, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["zip", "legacy", "safetensors"]))
def test_damage_raises_nothing_but_value_errors(tmp_path_factory, intact, data, kind):
    content = bytearray(intact[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        message, found = None, convert.read(path)
    except ValueError as error:
        message, found = str(error), {}
    assert message is None or (message.startswith(str(path)) and len(message) < 1000 and "\n" not in message)
    assert all(len(array.tobytes()) == array.nbytes for array in found.values())  # every array can be read


@settings(max_examples=300, deadline=None)
@given(pickled=st.binary(max_size=40))
def test_any_bytes_for_a_pickle_raise_nothing_but_value_errors(pickled):
    for start in (b"", b"\x80\x02", b"\x80\x02}(", b"\x80\x02ctorch\nSize\n", b"\x80\x02cos\nsystem\n)R"):
        with contextlib.suppress(ValueError):  # the test is that nothing else is raised
            TorchPickle().read(io.BytesIO(start + pickled + b"."))


# Quantised tensors


def quantised_file(tmp_path, quantiser, storage="QInt8Storage"):
    """A file with one quantised tensor of 2 x 3 integers; the quantiser is given as pickle instructions."""
    plain = lambda value: pickle.dumps(value, 2)[2:-1]
    start = f"}}X\1\0\0\0wctorch._utils\n_rebuild_qtensor\n((X\7\0\0\0storagectorch\n{storage}\n".encode()
    view = plain(0) + plain((2, 3)) + plain((3, 1))
    pickled = start + plain("0") + plain("cpu") + plain(6) + b"tQ" + view + b"(" + quantiser + b"t" + plain(False)
    return zip_file(tmp_path / "w.pth", pickled + b"}tRs.", {"0": bytes(range(6))})


def quantiser(scheme, *values):
    return f"ctorch\n{scheme}\n".encode() + b"".join(pickle.dumps(value, 2)[2:-1] for value in values)


def test_quantised_tensors_with_scales_in_the_pickle(tmp_path):
    """Files of the first releases with quantisation have lists of scales."""
    found = convert.read_torch(quantised_file(tmp_path, quantiser("per_tensor_affine", 0.5, 3)))
    assert {name: array.tolist() for name, array in found.items()} == {
        "w": [[0, 1, 2], [3, 4, 5]], "w_scale": 0.5, "w_zero_point": 3,
    }  # fmt: skip
    found = convert.read_torch(quantised_file(tmp_path, quantiser("per_channel_affine", [0.5, 0.25], [0, 0], 0)))
    assert found["w"].dtype == np.int8
    assert found.keys() == {"w", "w_scale"}
    assert found["w_scale"].tolist() == [0.5, 0.25]


@pytest.mark.parametrize(("scheme", "values", "message"), [
    ("per_tensor_affine", (0.5,), "not what torch writes"),
    ("per_tensor_affine", ("0.5", 3), "not what torch writes"),
    ("per_tensor_affine", (0.5, 1 << 100), "are not numbers"),
    ("per_channel_affine", ([0.5], [0], 0), "not what torch writes"),
    ("per_channel_affine", ([0.5, 0.25], [0, 0], 7), "not what torch writes"),
    ("per_channel_affine", ([0.5, "x"], [0, 0], 0), "are not numbers"),
    ("per_channel_affine_float_qparams", ([0.5, 0.25], [0.5, 0.0], 0), "not what torch writes"),
])  # fmt: skip
def test_quantised_tensors_that_are_damaged(tmp_path, scheme, values, message):
    with pytest.raises(ValueError, match=message):
        convert.read_torch(quantised_file(tmp_path, quantiser(scheme, *values)))


def test_quantised_tensors_of_smaller_integers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds a quantised tensor"):
        convert.read_torch(quantised_file(tmp_path, quantiser("per_tensor_affine", 0.5, 3), storage="QUInt4x2Storage"))
