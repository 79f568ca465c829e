"""`save` and `load`: what goes in comes out, shared elements are shared again, and nothing in a file runs."""

import argparse
import collections
import io
import os
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcvision import eager as torch
from funcvision._weight_files import torch_file
from funcvision.eager import nn
from tests.vision.checkpoints import legacy_bytes, nested, tensor_pickle, zip_file


def saved(obj):
    stream = io.BytesIO()
    torch.save(obj, stream)
    stream.seek(0)
    return stream


def again(obj, **options):
    return torch.load(saved(obj), **options)


def floats(*shape):
    return torch.tensor(np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape))


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.complex_numbers(allow_nan=False) | st.binary().map(bytearray)
)  # fmt: skip
KEYS = st.text() | st.integers(-(2**60), 2**60)
PLAIN = st.recursive(
    SCALARS | st.sets(st.text() | st.integers(-(2**60), 2**60), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=3)
    | st.dictionaries(KEYS, inner, max_size=3).map(collections.OrderedDict),
    max_leaves=8,
)  # fmt: skip


def types(value):
    """The types in a value, because True == 1 and OrderedDict() == {}."""
    if isinstance(value, dict):
        return type(value), [(types(key), types(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [types(one) for one in value]
    return type(value)


@settings(deadline=None, max_examples=60)
@given(PLAIN)
def test_plain_data_comes_back(value):
    found = again(value)
    assert found == value
    assert types(found) == types(value)


def test_a_checkpoint_comes_back(tmp_path):
    content = {
        "epoch": 3, "best": 0.25, "name": "übung", "history": [1.5, (2, None)], "counts": collections.Counter("aab"),
        "model": collections.OrderedDict(weight=floats(2, 3)), "size": floats(2, 3).shape,
        "half": floats(2).to(torch.float16), "brain": floats(2).to(torch.bfloat16), "scalar": torch.tensor(2.5),
        "none": floats(0, 3), "mask": torch.tensor([True, False]), "index": torch.tensor([3, -1]),
        "transposed": floats(2, 3).t(), "parameter": nn.Parameter(floats(2)), "frozen": nn.Parameter(floats(2), False),
        "grad": floats(2).requires_grad_(),
    }  # fmt: skip
    torch.save(content, tmp_path / "a.pt")
    found = torch.load(tmp_path / "a.pt", weights_only=True)
    assert list(found) == list(content)
    for name in ("epoch", "best", "name", "history", "counts", "size"):
        assert found[name] == content[name]
        assert type(found[name]) is type(content[name])
    assert type(found["model"]) is collections.OrderedDict
    for name in list(content)[7:]:
        ours, theirs = found[name], content[name]
        assert (type(ours), ours.shape, ours.dtype) == (type(theirs), theirs.shape, theirs.dtype), name
        assert ours.requires_grad == theirs.requires_grad
        assert ours.is_leaf
        np.testing.assert_array_equal(np.asarray(ours.array), np.asarray(theirs.array))
    assert os.listdir(tmp_path) == ["a.pt"]


def test_dtypes_and_devices_come_back():
    content = [torch.bfloat16, torch.int64, torch.device("cpu"), torch.device("cuda:1"), torch.Size([2, 3])]
    found = again(content)
    assert found == content
    assert found[1] is torch.int64
    assert type(found[4]) is torch.Size


def test_state_dicts_keep_the_versions_of_modules():
    state = collections.OrderedDict(weight=floats(2))
    state._metadata = collections.OrderedDict({"": {"version": 2}})
    assert again({"model": state})["model"]._metadata == {"": {"version": 2}}


def test_tied_tensors_are_tied_again():
    weight = nn.Parameter(floats(3, 2))
    found = again({"one": weight, "same": weight, "two": weight.detach(), "copy": weight.detach().clone()})
    assert found["one"] is found["same"]
    with torch.no_grad():
        found["one"][0, 0] = 7.0
    assert found["two"][0, 0] == 7.0
    assert found["copy"][0, 0] == 0.0
    assert isinstance(found["one"], nn.Parameter)
    assert found["one"].is_leaf


def test_views_are_views_again():
    whole = floats(3, 4)
    parts = {"row": whole[1], "column": whole[:, 2], "transposed": whole.t(), "some": whole[1:, ::2]}
    parts["all"] = whole.view(12)
    stream = saved({"whole": whole, **parts})
    assert stream.getvalue().count(b"archive/data/") == 2  # once where it is, and once in the directory
    found = torch.load(stream)
    found["whole"][1, 2] = 100.0
    assert found["row"].tolist() == [4, 5, 100, 7]
    assert found["column"].tolist() == [2, 100, 10]
    assert found["transposed"].tolist()[2] == [2, 100, 10]
    assert found["some"].tolist() == [[4, 100], [8, 10]]
    found["row"].add_(1.0)
    assert found["all"].tolist()[4:8] == [5, 6, 101, 8]


def test_an_expanded_tensor_is_saved_whole():
    base = floats(1, 2)
    found = again([base, base.expand(3, 2)])
    assert found[1].tolist() == [[0, 1]] * 3


def test_a_list_that_contains_itself():
    content = [1]
    content.append(content)
    found = again(content)
    assert found[1] is found
    holder = ([],)
    holder[0].append(holder)
    found = again(holder)
    assert found[0][0][0] is found[0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (argparse.Namespace(lr=1), r"\['x'\]\[0\] is a argparse.Namespace.*vars\(value\)"),
        (np.float64(1), r"numpy.float64.*value.item\(\)"),
        (collections.defaultdict(list), r"save dict\(value\)"),
        (nn.Linear(2, 2), "state_dict"),
        (print, "builtins.builtin_function_or_method"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_read_is_not_written(tmp_path, value, message):
    (tmp_path / "a.pt").write_bytes(b"before")
    with pytest.raises(pickle.PicklingError, match=message):
        torch.save({"x": [value]}, tmp_path / "a.pt")
    assert (tmp_path / "a.pt").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["a.pt"]


def test_file_objects(tmp_path):
    with open(tmp_path / "a.pt", "wb") as stream:
        torch.save(floats(2), stream)
    with open(tmp_path / "a.pt", "rb") as stream:
        assert torch.load(stream).tolist() == [0, 1]
    assert torch.load(os.fspath(tmp_path / "a.pt"), mmap=True).tolist() == [0, 1]
    stream = io.BytesIO()
    torch.save(floats(2), stream)
    with pytest.raises(EOFError, match="seek"):
        torch.load(stream)
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "b.pt")
    for function in (lambda: torch.load(3), lambda: torch.save(3, 3)):
        with pytest.raises(AttributeError, match="got int"):
            function()
    with pytest.raises(ValueError, match="zip format"):
        torch.save(3, stream, _use_new_zipfile_serialization=False)


class Runs:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("weights_only", [None, True, False])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_in_a_file_runs(tmp_path, protocol, weights_only):
    target = tmp_path / "ran"
    attacks = [Runs(os.system, f"touch {target}"), Runs(eval, f"open({str(target)!r}, 'w')")]
    for attack in [*attacks, {"a": [collections.deque()]}]:
        path = zip_file(tmp_path / "w.pt", pickle.dumps(attack, protocol))
        with pytest.raises(pickle.UnpicklingError, match=r"names '.*(system|eval|deque)'.*Nothing of it was"):
            torch.load(path, weights_only=weights_only)
    assert not target.exists()


def test_a_name_without_a_call_is_refused(tmp_path):
    for value in (print, np.ndarray, collections.defaultdict(list), frozenset([1])):
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            torch.load(zip_file(tmp_path / "w.pt", pickle.dumps({"x": value}, 2)))


def test_damaged_files(tmp_path):
    whole = saved(floats(50)).getvalue()
    with pytest.raises(RuntimeError, match="damaged"):
        torch.load(io.BytesIO(whole[:-40]))
    with pytest.raises(pickle.UnpicklingError, match="not a torch checkpoint"):
        torch.load(io.BytesIO(b"hello"))
    with pytest.raises(EOFError, match="empty"):
        torch.load(io.BytesIO())
    deep = b"\x80\x02" + b"]" * 3000 + b"a" * 2999 + b"."
    with pytest.raises(pickle.UnpicklingError, match="nested too deeply"):
        torch.load(zip_file(tmp_path / "w.pt", deep))


def test_the_legacy_format():
    assert torch.load(io.BytesIO(legacy_bytes()))["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_integers_are_written_as_int64_and_must_fit():
    stream = saved(torch.tensor([1, 2]))
    assert b"LongStorage" in stream.getvalue()
    assert torch.load(stream).tolist() == [1, 2]
    wide = zip_file_of(np.array([2**40], np.int64))
    with pytest.raises(OverflowError, match=str(2**40)):
        torch.load(wide)
    with pytest.raises(RuntimeError, match=r"float64.*jax_enable_x64"):
        torch.load(zip_file_of(np.array([0.5])))


def zip_file_of(array):
    stream = io.BytesIO()
    torch_file.write(stream, {"x": array})
    stream.seek(0)
    return stream


def test_map_location():
    seen = []

    def stay(storage, location):
        seen.append(location)
        return storage

    stream = io.BytesIO()
    torch_file.write(stream, torch_file.Written(np.ones(2, np.float32), 0, (2,), (1,), location="cuda:9"))
    for where in ("cpu", {"cuda:9": "cpu"}, stay, lambda storage, location: storage.cpu()):
        stream.seek(0)
        assert torch.load(stream, where).tolist() == [1, 1]
    assert seen == ["cuda:9"]
    for where in (None, {"cuda:1": "cpu"}, "cuda:7", lambda storage, location: storage.cuda(3), lambda *_: None):
        stream.seek(0)
        with pytest.raises(RuntimeError, match="cuda"):
            torch.load(stream, where)


def test_loading_warns_of_nothing(tmp_path):
    torch.save({"x": floats(2), "n": torch.tensor([1])}, tmp_path / "a.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.load(tmp_path / "a.pt")


def test_tensors_far_larger_than_the_file_are_refused(tmp_path):
    huge = nested(tensor_pickle(shape=(1 << 20, 1 << 20), strides=(0, 0)))
    with pytest.raises(RuntimeError, match="declares"):
        torch.load(zip_file(tmp_path / "w.pt", huge, {"0": bytes(24)}))
