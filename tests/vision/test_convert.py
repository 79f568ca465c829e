"""Weights without torch: both formats written and read, layouts, and nested checkpoints."""

import os
import re

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from funcvision import nn
from funcvision._weight_files import element_types
from funcvision.vision import convert
from funcvision.vision._names import matched
from tests.vision.checkpoints import (
    PLAIN,
    STATE,
    Net,
    assert_params,
    assert_same,
    entry,
    nested,
    tensor_pickle,
    tensors,
    zip_file,
)  # fmt: skip

# Both formats, written and read


@pytest.mark.parametrize("ending", [".pth", ".pt", ".safetensors", ".PTH"])
def test_what_is_written_is_read(tmp_path, ending):
    expected = tensors()
    convert.write(tmp_path / f"w{ending}", expected)
    assert_same(convert.read(tmp_path / f"w{ending}"), expected)
    assert os.listdir(tmp_path) == [f"w{ending}"]


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("element", element_types.BY_DTYPE.values(), ids=lambda element: element.torch)
def test_every_dtype(tmp_path, ending, element):
    raw = np.arange(element.dtype.itemsize * 6, dtype=np.uint8) % 2
    values = raw.view(element.dtype)
    expected = {"odd": np.ones(3, np.bool_), "w": values.reshape(2, 3), "scalar": values[5:].reshape(())}
    path = tmp_path / f"w{ending}"
    if ending == ".safetensors" and element.safetensors is None:
        with pytest.raises(ValueError, match=r"w is complex128, which safetensors files do not have; write a \.pth"):
            convert.write(path, expected)
        assert not os.listdir(tmp_path)
        return
    convert.write(path, expected)
    assert_same(convert.read(path), expected)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_arrays_that_are_not_contiguous(tmp_path, ending):
    base = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    expected = {
        "fortran": np.asfortranarray(base), "transposed": base.transpose(2, 0, 1), "strided": base[::2, 1:, ::-1],
        "broadcast": np.broadcast_to(base[0, 0], (3, 6)), "empty": base[:, :0], "scalar": base[0, 0, 0],
        "big-endian": base.astype(">f4"), "bfloat16": base.astype(ml_dtypes.bfloat16).T,
    }
    convert.write(tmp_path / f"w{ending}", expected)
    native = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("=")).reshape(a.shape) for name, a in expected.items()}
    assert_same(convert.read(tmp_path / f"w{ending}"), native)
    if ending == ".safetensors":
        library = safetensors.numpy.load_file(tmp_path / "w.safetensors")
        assert_same({name: library[name] for name in native}, native)


def test_large_arrays_go_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("funcvision._weight_files.mapping._PIECE", 64)
    expected = tensors() | {"t": np.arange(7 * 11 * 5, dtype=np.int16).reshape(7, 11, 5).transpose(1, 2, 0)}
    for ending in (".pth", ".safetensors"):
        written = []
        convert.write(tmp_path / f"w{ending}", expected, progress=written.append)
        assert_same(convert.read(tmp_path / f"w{ending}"), expected)
        assert sum(written) == sum(a.nbytes for a in expected.values())
        assert len(written) > len(expected) + 10
        assert_params(*convert.load(tmp_path / f"w{ending}", with_extra()), expected)


def with_extra() -> nn.Module:
    class WithExtra(Net):
        def __init__(self):
            super().__init__()
            self.t = nn.Buffer((11, 5, 7), layout="ABC->CBA", dtype=jnp.int32)

    return WithExtra()


def test_safetensors_files_are_the_library_s(tmp_path):
    expected = tensors() | {"odd": np.ones(3, np.int8), "half": np.ones(3, np.float16)}
    convert.write(tmp_path / "ours.safetensors", expected, model_name="net")
    with safetensors.safe_open(tmp_path / "ours.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt", "funcvision.model": "net"}
    ours = safetensors.numpy.load_file(tmp_path / "ours.safetensors")
    assert_same({name: ours[name] for name in expected}, expected)
    for name, array in convert.read(tmp_path / "ours.safetensors").items():
        assert array.flags.aligned, name
    safetensors.numpy.save_file(expected, tmp_path / "theirs.safetensors")
    theirs = convert.read(tmp_path / "theirs.safetensors")
    assert_same({name: theirs[name] for name in expected}, expected)


def test_storages_in_a_pth_are_aligned_and_its_bytes_repeat(tmp_path):
    convert.write(tmp_path / "a.pth", tensors())
    convert.write(tmp_path / "b.pth", tensors())
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    content = (tmp_path / "a.pth").read_bytes()
    for array in tensors().values():
        if array.nbytes > 16:
            assert content.index(array.tobytes()) % 64 == 0


def test_read_arrays_are_views_that_cannot_be_written(tmp_path):
    for ending in (".pth", ".safetensors"):
        convert.write(tmp_path / f"w{ending}", tensors())
        for array in convert.read(tmp_path / f"w{ending}").values():
            assert not array.flags.owndata
            assert not array.flags.writeable


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"w\.npz ends in '\.npz'; it can be \.safetensors, \.pth or \.pt"):
        convert.write(tmp_path / "w.npz", tensors())
    with pytest.raises(ValueError, match="no tensors to write"):
        convert.write(tmp_path / "w.pth", {})
    with pytest.raises(ValueError, match="w is <U2, which torch does not have"):
        convert.write(tmp_path / "w.pth", {"w": np.array(["ab"])})
    with pytest.raises(FileNotFoundError, match=r"none.w\.pth cannot be written: the folder .*none does not exist"):
        convert.write(tmp_path / "none" / "w.pth", tensors())
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(FileExistsError, match="not a regular file"):
        convert.write(tmp_path / "folder.pth", tensors(), overwrite=True)
    assert os.listdir(tmp_path) == ["folder.pth"]


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_file_that_exists_is_left_unless_overwriting_is_asked_for(tmp_path, ending):
    path = tmp_path / f"w{ending}"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        convert.write(path, tensors())
    assert path.read_bytes() == b"precious"
    convert.write(path, tensors(), overwrite=True)
    assert_same(convert.read(path), tensors())
    convert.write(path, convert.read(path), overwrite=True)  # replaces the file that is mapped
    assert_same(convert.read(path), tensors())
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("exists", [False, True])
def test_an_error_on_the_way_leaves_nothing_behind(tmp_path, ending, exists):
    path = tmp_path / f"w{ending}"
    if exists:
        path.write_bytes(b"precious")

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert.write(path, tensors(), overwrite=True, progress=stop)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"precious"] * exists


def test_a_file_made_meanwhile_is_left(tmp_path):
    path = tmp_path / "w.pth"
    with pytest.raises(FileExistsError, match="in the meantime"):
        convert.write(path, tensors(), progress=lambda _: path.write_bytes(b"precious"))
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["w.pth"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    convert.write(tmp_path / "w.pth", tensors())
    assert (tmp_path / "w.pth").stat().st_mode == (tmp_path / "plain").stat().st_mode


# Tensors and arrays


def test_from_torch_transposes_as_declared():
    expected = tensors()
    params, state = convert.from_torch(Net(), expected)
    assert_params(params, state, expected)
    assert [a.shape for a in params.values()] == [a.shape for a in Net().init(jax.random.key(0))[0].values()]
    assert params.keys() | state.keys() == expected.keys()
    assert all(isinstance(array, jax.Array) for array in (params | state).values())
    assert state["bn.num_batches_tracked"].dtype == jnp.int32


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_save_and_load_are_inverse(tmp_path, ending):
    params, state = Net().init(jax.random.key(0))
    state["bn.num_batches_tracked"] = jnp.int32(3)
    convert.save(tmp_path / f"w{ending}", Net(), params, state)
    again_params, again_state = convert.load(tmp_path / f"w{ending}", Net())
    assert_same(jax.device_get(again_params), jax.device_get(params))
    assert_same(jax.device_get(again_state), jax.device_get(state))
    assert_same(convert.read(tmp_path / f"w{ending}"), convert.to_torch(Net(), params, state))
    with pytest.raises(FileExistsError):
        convert.save(tmp_path / f"w{ending}", Net(), params, state)
    convert.save(tmp_path / f"w{ending}", Net(), params, state, overwrite=True)


def test_to_torch_is_contiguous_writable_and_in_torch_s_order():
    expected = tensors()
    back = convert.to_torch(Net(), *convert.from_torch(Net(), dict(sorted(expected.items()))))
    assert_same(back, expected)
    for array in back.values():
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert back["bn.num_batches_tracked"].dtype == np.int64


def test_loaded_arrays_can_be_trained_and_donated(tmp_path):
    convert.write(tmp_path / "w.pth", tensors())
    params, _ = convert.load(tmp_path / "w.pth", Net())
    step = jax.jit(lambda params: jax.tree.map(lambda p: p - 1, params), donate_argnums=0)
    np.testing.assert_array_equal(step(params)["fc.bias"], tensors()["fc.bias"] - 1)
    assert_same(convert.read(tmp_path / "w.pth"), tensors())  # the file did not change


def test_dtypes_are_kept_or_cast_as_asked():
    half = {name: a.astype(ml_dtypes.bfloat16) if a.dtype == np.float32 else a for name, a in tensors().items()}
    params, state = convert.from_torch(Net(), half)
    assert params["conv.weight"].dtype == state["bn.running_mean"].dtype == jnp.bfloat16
    params, state = convert.from_torch(Net(), half, dtype=jnp.float32)
    assert params["conv.weight"].dtype == state["bn.running_mean"].dtype == jnp.float32
    params, state = convert.from_torch(Net(), tensors(), dtype=jnp.bfloat16)
    assert params["conv.weight"].dtype == jnp.bfloat16
    assert state["bn.running_mean"].dtype == jnp.float32  # statistics stay float32
    assert state["bn.num_batches_tracked"].dtype == jnp.int32
    back = convert.to_torch(Net(), params, state)
    assert back["fc.weight"].dtype == ml_dtypes.bfloat16
    with pytest.raises(ValueError, match=r"dtype=.*int32.* is not a floating-point type"):
        convert.from_torch(Net(), tensors(), dtype=jnp.int32)


def test_nothing_is_narrowed_silently():
    double = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in tensors().items()}
    with pytest.raises(ValueError, match=r"conv\.weight is float64 and jax would narrow it: pass dtype=jnp\.float32"):
        convert.from_torch(Net(), double)
    params, _ = convert.from_torch(Net(), double, dtype=jnp.float32)
    np.testing.assert_array_equal(params["fc.bias"], tensors()["fc.bias"])
    with jax.enable_x64(True):
        assert convert.from_torch(Net(), double)[0]["fc.bias"].dtype == jnp.float64


def test_missing_counters_are_zero():
    old = {name: array for name, array in tensors().items() if not name.endswith("num_batches_tracked")}
    _, state = convert.from_torch(Net(), old)
    assert state["bn.num_batches_tracked"].shape == ()
    assert state["bn.num_batches_tracked"] == 0
    completed = convert.conform(Net(), old)
    assert list(completed) == list(tensors())
    assert completed["bn.num_batches_tracked"].dtype == np.int64


def test_every_difference_is_reported_at_once():
    wrong = tensors() | {"head.weight": np.zeros(2), "fc.bias": np.array(list("abcde"))}
    wrong["fc.weight"] = np.zeros((7, 4), np.float32)
    del wrong["bn.running_mean"], wrong["up.weight"]
    with pytest.raises(ValueError, match="do not fit") as error:
        convert.from_torch(Net(), wrong)
    assert str(error.value) == (
        "these tensors do not fit Net; 2 missing: bn.running_mean, up.weight; 1 unexpected: head.weight; "
        "1 of another shape: fc.weight is (7, 4), not (5, 4); "
        "1 of another dtype: fc.bias is <U1, which is not a type of numbers"
    )
    with pytest.raises(ValueError, match=r"9 missing: .*, .*, .*, .*, .*, .* and 3 more; 1 unexpected: x$"):
        convert.from_torch(Net(), {"x": np.zeros(1)})


def test_arrays_in_torch_s_layout_do_not_pass_for_params():
    params, state = convert.from_torch(Net(), tensors())
    with pytest.raises(ValueError, match="in torch's axis order, do not fit Net; 1 of another shape: conv"):
        convert.to_torch(Net(), params | {"conv.weight": tensors()["conv.weight"]}, state)
    with pytest.raises(ValueError, match=r"1 missing: bn\.running_var"):
        convert.to_torch(Net(), params, {name: a for name, a in state.items() if name != "bn.running_var"})


# Wrappers and nested checkpoints


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        (["module.a", "module.b"], ["a", "b"]),
        (["module._orig_mod.a"], ["a"]),
        (["_orig_mod.module.a"], ["a"]),
        (["module.module.a"], ["a"]),
        (["n_averaged", "module.a"], ["a"]),
        (["module.a", "b"], ["module.a", "b"]),
        (["n_averaged", "a"], ["n_averaged", "a"]),
        (["n_averaged"], ["n_averaged"]),
        ([], []),
    ],
)
def test_strip_prefixes(given_names, expected):
    assert list(convert.strip_prefixes(dict.fromkeys(given_names))) == expected


def test_prefixes_are_stripped_only_where_the_model_has_none(tmp_path):
    expected = tensors()
    prefixed = {f"module.{name}": array for name, array in expected.items()}
    convert.write(tmp_path / "w.pth", prefixed)
    assert list(convert.read_torch(tmp_path / "w.pth")) == list(prefixed)
    assert_params(*convert.load(tmp_path / "w.pth", Net()), expected)

    class Outer(nn.Module):
        def __init__(self):
            self.module = Net()

    params, _ = convert.from_torch(Outer(), prefixed)
    np.testing.assert_array_equal(params["module.fc.bias"], expected["fc.bias"])


@pytest.mark.parametrize(
    ("given_names", "declared", "expected"),
    [
        (["backbone._orig_mod.0.weight", "head.w"], ["backbone.0.weight", "head.w"], ["backbone.0.weight", "head.w"]),
        (["backbone.module.0.w", "head.w"], ["backbone.0.w", "head.w"], ["backbone.0.w", "head.w"]),
        (["module.module.w", "module.w"], ["module.w", "w"], ["module.w", "w"]),
        (["net.a._orig_mod.w", "net.b"], ["a.w", "b"], ["a.w", "b"]),
        (["student.a.w", "student.a.q"], ["a.w"], ["a.w", "a.q"]),
        (["model.w", "v"], ["model.w", "v"], ["model.w", "v"]),
        (["_forward_module.model.w"], ["model.w"], ["model.w"]),
        (["model.w"], ["module.w"], ["model.w"]),
        (["bn.num_batches_tracked", "bn.w"], ["bn.w", "bn.num_batches_tracked"], ["bn.num_batches_tracked", "bn.w"]),
        (["layer.0.w"], ["w", "layer.0.w", "b"], ["layer.0.w"]),
        (["n_averaged"], ["n_averaged"], ["n_averaged"]),
        (["module.features.denseblock1.denselayer1._orig_mod.norm.1.weight", "x"],
         ["features.denseblock1.denselayer1.norm1.weight", "x"],
         ["features.denseblock1.denselayer1.norm1.weight", "x"]),
        ([], ["w"], []),
    ],
)  # fmt: skip
def test_the_declared_names_decide(given_names, declared, expected):
    assert list(matched(given_names, declared).values()) == expected


@pytest.mark.parametrize(
    ("given_names", "declared", "message"),
    [
        (["module.w", "w"], ["w"], "module.w and w are both w without the names of wrappers"),
        (["_orig_mod.w", "module.w", "v"], ["w", "v"], "_orig_mod.w and module.w are both w"),
        (["module.module.w", "v"], ["module.w", "w", "v"], "module.module.w could be module.w, w"),
    ],
)
def test_names_that_fit_in_more_than_one_way(given_names, declared, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        matched(given_names, declared)


def test_a_checkpoint_that_is_in_itself(tmp_path):
    for rest in (entry("w", tensor_pickle()), b""):
        pickled = nested(b"}q\x00" + entry("model", b"h\x00") + entry("net", b"h\x00") + rest)
        with pytest.raises(ValueError, match=r"no plain state dict .*: model, net are not tensors"):
            convert.read_torch(zip_file(tmp_path / "w.pth", pickled, {"0": bytes(24)}))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (STATE, None),
        (b"}" + entry("epoch", b"K\x03") + entry("model", STATE) + entry("optimizer", PLAIN), None),
        (b"}" + entry("state_dict", STATE) + entry("model", PLAIN), None),
        (b"}" + entry("model_state_dict", STATE), None),
        (b"}" + entry("state_dict", b"}" + entry("model", STATE)), None),
        (b"}" + entry("teacher", STATE) + entry("student", b"}" + entry("model", STATE)), "student"),
        (b"}" + entry("a", b"}" + entry("b", STATE)), "a.b"),
        (b"}" + entry("a.b", b"}" + entry("c", STATE)), "a.b.c"),
        (b"}" + entry("a", b"}" + entry("b", b"}" + entry("c", STATE))), None),
        (STATE + entry("layer._extra_state", b"}"), None),
    ],
)
def test_weights_are_found_in_a_checkpoint(tmp_path, content, where):
    values = np.arange(6, dtype=np.float32)
    path = zip_file(tmp_path / "w.pth", nested(content), {"0": values.tobytes()})
    found = convert.read_torch(path, entry=where)
    assert_same(found, {"w": values.reshape(2, 3)})


USUAL = ("state_dict_ema", "ema_state_dict", "params", "params_ema", "model_state", "model_ema", "net", "weights")


@pytest.mark.parametrize("name", [*USUAL, "student", "G", "state dict"])
def test_one_dict_of_tensors_is_found_under_any_key(tmp_path, caplog, name):
    values = np.arange(6, dtype=np.float32)
    beside = entry("seed", tensor_pickle((), ())) + entry("optimizer", b"}" + entry("a.weight", STATE))
    path = zip_file(tmp_path / "w.pth", nested(b"}" + entry(name, TWO) + beside), {"0": values.tobytes()})
    assert_same(convert.read_torch(path), {"w": values.reshape(2, 3), "v": values[:1]})
    assert caplog.records == []


TWO = STATE + entry("v", tensor_pickle((1,), (1,)))


@pytest.mark.parametrize(
    ("entries", "chosen"),
    [
        (("model_ema", "model"), "model"),
        (("student", "state_dict_ema"), "state_dict_ema"),
        (("generator", "discriminator"), "generator"),
    ],
)
def test_of_several_dicts_of_tensors_the_choice_is_said(tmp_path, caplog, entries, chosen):
    values = np.arange(6, dtype=np.float32)
    states = {name: b"}" + entry(name, tensor_pickle()) for name in entries}
    content = b"}" + b"".join(entry(name, state) for name, state in states.items())
    path = zip_file(tmp_path / "w.pth", nested(content), {"0": values.tobytes()})
    other = next(name for name in entries if name != chosen)
    assert list(convert.read_torch(path)) == [chosen]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{path} has weights in its entry {chosen!r}, which are read, and in {other!r}: choose with entry= or --entry"
    )
    caplog.clear()
    assert list(convert.read_torch(path, entry=other)) == [other]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (b"}", None, "has no state dict at its top: there is an empty dict"),
        (PLAIN, None, "has no plain state dict|has no state dict at its top: there are lr, betas, params, on, no, 3"),
        (tensor_pickle(), None, "has no state dict at its top: there is a tensor"),
        (b"K\x01", None, "has no state dict at its top: there is a int"),
        (STATE + entry("epoch", b"K\x01"), None, "no plain state dict at its top: epoch is not a tensor"),
        (STATE + entry("a", b"N") + entry("b", b"N"), None, "no plain state dict at its top: a, b are not tensors"),
        (b"}" + entry("teacher", STATE + entry("v", b"N")), None, "no plain state dict at its top: teacher .*entry="),
        (STATE + entry("stats", STATE), None, "no plain state dict at its top: stats is not a tensor"),
        (b"}" + entry("model", STATE), "ema", "has no entry 'ema' at its top: there are model"),
        (b"}" + entry("model", STATE), "model.ema", "has no entry 'ema' in its entry 'model': there are w"),
        (b"}" + entry("model", STATE + entry("v", b"K\x01")), None, "in its entry 'model': v is not"),
    ],
)
def test_checkpoints_without_weights_where_they_are_looked_for(tmp_path, content, where, message):
    path = zip_file(tmp_path / "w.pth", nested(content), {"0": bytes(24)})
    with pytest.raises(ValueError, match=message) as error:
        convert.read_torch(path, entry=where)
    assert str(error.value).startswith(str(path))


def test_a_state_dict_as_python_2_wrote_it(tmp_path):
    pairs = b"ccollections\nOrderedDict\n(](](U\x01w" + tensor_pickle() + b"eetR}U\x09_metadata}sb"
    path = zip_file(tmp_path / "w.pth", nested(pairs), {"0": bytes(24)})
    assert_same(convert.read_torch(path), {"w": np.zeros((2, 3), np.float32)})
