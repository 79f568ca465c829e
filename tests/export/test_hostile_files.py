"""Files that are damaged, truncated, put together from others, or written to do harm: each is refused in a sentence."""

import dataclasses
import datetime
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funcvision import export
from funcvision.export import _file, _inspect, _promise

quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def affine(arrays, x):
    return {"y": x @ arrays["w"] + arrays["b"][None]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "affine.fv"
    arrays = {"w": jnp.ones((3, 2)), "b": jnp.arange(2.0)}
    export.save_function(path, affine, arrays, jnp.ones((4, 3)), gradients=True)
    return path


def parts(path):
    """Header, arrays and programs of a sound file."""
    header, tensors = _file.read(path)
    programs = [tensors.pop(_file.program_name(i)).tobytes() for i in range(len(header["programs"]))]
    return header, tensors, programs


def refused(path, match=None, **options):
    with pytest.raises(export.ExportError, match=match) as caught:
        export.load(path, **options)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@quick
@given(data=st.data())
def test_changed_bytes(path, tmp_path, data):
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4, unique=True)):
        content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "changed.fv").write_bytes(content)
    refused(tmp_path / "changed.fv")


@quick
@given(length=st.integers(0), extra=st.binary(max_size=100))
def test_truncated_and_extended(path, tmp_path, length, extra):
    content = path.read_bytes()
    changed = content[: length % len(content)] + extra
    if changed != content:
        (tmp_path / "cut.fv").write_bytes(changed)
        refused(tmp_path / "cut.fv")


def test_other_files(tmp_path):
    for content in (b"", b"GIF89a", b"\x80" * 200, b"{" * 200):
        (tmp_path / "other.fv").write_bytes(content)
        refused(tmp_path / "other.fv", "is not a file that funcvision.export wrote")
    with pytest.raises(FileNotFoundError):
        export.load(tmp_path / "missing.fv")


def nodes(value, way=()):
    """The ways to all parts of a JSON value."""
    yield way
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        yield from nodes(child, (*way, key))


def replaced(value, way, new):
    """The JSON value with another part at the end of a way."""
    if not way:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = replaced(value[way[0]], way[1:], new)
    return copy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.sampled_from(["*", "w", "", "cpu"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["dict", "list", "a"]), inner),
    max_leaves=6,
)


@quick
@given(data=st.data())
def test_headers_that_lie(path, tmp_path, data):
    """With a digest that fits. What is not refused, computes; a header may for example give another name."""
    header, arrays, programs = parts(path)
    way = data.draw(st.sampled_from(list(nodes(header))))
    changed = replaced(header, way, data.draw(JSON))
    _file.write(tmp_path / "lie.fv", arrays, programs, changed, overwrite=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the version of jax
        try:
            loaded = export.load(tmp_path / "lie.fv", inspect_programs=False)
        except export.ExportError:
            return
    repr(loaded)
    if way[0] not in ("programs", "limits"):  # other containers, or larger limits, fit other inputs
        x = np.ones((4, 3), np.float32)
        np.testing.assert_allclose(loaded(x)["y"], affine(arrays, x)["y"])


@pytest.mark.parametrize(("key", "value"), [("categories", "ab"), ("categories", [1]), ("prepared", "no")])
def test_notes_of_another_type(path, tmp_path, key, value):
    header, arrays, programs = parts(path)
    _file.write(tmp_path / "lie.fv", arrays, programs, header | {key: value}, overwrite=True)
    refused(tmp_path / "lie.fv", "categories are no list of texts", inspect_programs=False)


def deserialized(program):
    return jax.export.deserialize(bytearray(program))


def test_swapped_parts(path, tmp_path):
    header, arrays, programs = parts(path)
    export.save_function(tmp_path / "two.fv", lambda arrays, x: {"y": x * arrays["b"][0]}, {"b": jnp.ones(2)}, 1.0)
    _, other_arrays, other_programs = parts(tmp_path / "two.fv")
    for given_arrays, given_programs, message in [
        (arrays, other_programs, "arguments and results"),
        (other_arrays, programs, "does not list the arrays"),
        (arrays | {"w": np.ones((2, 3), np.float32)}, programs, "shape and dtype in the header"),
        (arrays, [*programs, *programs], "does not list the arrays"),
        (arrays, [], "not a sound file"),
    ]:
        _file.write(tmp_path / "swap.fv", given_arrays, given_programs, header, overwrite=True)
        refused(tmp_path / "swap.fv", message, inspect_programs=False)


def test_a_program_that_calls_native_code(path, tmp_path):
    """A custom call could run a Python callback of the process, or any function that a library registered."""
    header, arrays, _ = parts(path)

    def harmful(arrays, inputs):
        x, = inputs
        call = jax.ffi.ffi_call("xla_ffi_python_cpu_callback", jax.ShapeDtypeStruct((4, 2), jnp.float32))
        return [call(x)]

    check = jax.export.DisabledSafetyCheck.custom_call("xla_ffi_python_cpu_callback")
    specs = [jax.typeof(arrays[name]) for name in header["arrays"]["names"]], [jax.typeof(jnp.ones((4, 3)))]
    exported = jax.export.export(jax.jit(harmful), platforms=header["platforms"], disabled_checks=[check])(*specs)
    hidden = dataclasses.replace(exported, disabled_safety_checks=())
    header |= {"gradients": False}
    for program, message in [(exported, "disabled safety checks"), (hidden, "calls 'xla_ffi_python_cpu_callback'")]:
        assert message in str(_inspect.objection(deserialized(program.serialize())))
    _file.write(tmp_path / "harm.fv", arrays, [bytes(hidden.serialize())], header, overwrite=True)
    refused(tmp_path / "harm.fv", "calls 'xla_ffi_python_cpu_callback', a function outside the program")


def test_a_derivative_that_calls_native_code(path):
    @jax.custom_vjp
    def function(x):
        return x

    function.defvjp(lambda x: (x, None), lambda _, ct: (jax.ffi.ffi_call("evil", jax.typeof(ct))(ct),))
    check = jax.export.DisabledSafetyCheck.custom_call("evil")
    exported = jax.export.export(jax.jit(function), disabled_checks=[check])(jnp.ones(3))
    vjp = dataclasses.replace(exported.vjp(), disabled_safety_checks=())
    hidden = dataclasses.replace(exported, disabled_safety_checks=(), _get_vjp=lambda _: vjp)
    assert "calls 'evil'" in str(_inspect.objection(deserialized(hidden.serialize(vjp_order=1))))


def test_a_program_of_damaged_bytes(path, tmp_path):
    """The separate process may crash; this one does not."""
    header, arrays, (program,) = parts(path)
    damaged = bytearray(program)
    rng = np.random.default_rng(0)
    for place in rng.integers(len(damaged) // 4, len(damaged), 40):
        damaged[place] = rng.integers(256)
    _file.write(tmp_path / "damaged.fv", arrays, [bytes(damaged)], header, overwrite=True)
    refused(tmp_path / "damaged.fv", "a program is refused")
    _file.write(tmp_path / "damaged.fv", arrays, [b""], header, overwrite=True)
    refused(tmp_path / "damaged.fv", "a program is refused: jax cannot read it")
    module = deserialized(program)
    assert _inspect.objection(module) is None
    assert "XLA cannot read it" in str(_inspect.objection(dataclasses.replace(module, mlir_module_serialized=b"ML")))


def test_an_inspection_that_crashes(path, monkeypatch, tmp_path):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    refused(path, "its inspection failed with exit status 1")


def test_programs_are_inspected_once(path, monkeypatch, tmp_path):
    """Unless someone else may write to where that is remembered."""
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path))
    export.load(path, inspect_programs=False)
    assert not (tmp_path / "inspected").exists()
    export.load(path)
    assert len(list((tmp_path / "inspected").iterdir())) == 1
    monkeypatch.setattr(sys, "executable", "/bin/false")
    export.load(path)
    (tmp_path / "inspected").chmod(0o770)
    refused(path, "its inspection failed")
    (tmp_path / "inspected").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o700)
    (tmp_path / "inspected").symlink_to(tmp_path / "elsewhere")
    refused(path, "its inspection failed")


def test_a_refused_program_is_not_remembered(path, monkeypatch, tmp_path):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path))
    header, arrays, _ = parts(path)
    call = jax.ffi.ffi_call("evil", jax.ShapeDtypeStruct((4, 2), jnp.float32))
    specs = [jax.typeof(arrays[name]) for name in header["arrays"]["names"]], [jax.typeof(jnp.ones((4, 3)))]
    check = jax.export.DisabledSafetyCheck.custom_call("evil")
    exported = jax.export.export(
        jax.jit(lambda arrays, inputs: [call(inputs[0])]), platforms=header["platforms"], disabled_checks=[check]
    )(*specs)
    hidden = dataclasses.replace(exported, disabled_safety_checks=())
    _file.write(
        tmp_path / "harm.fv", arrays, [bytes(hidden.serialize())], header | {"gradients": False}, overwrite=True
    )
    for _ in range(2):
        refused(tmp_path / "harm.fv", "calls 'evil'")


def rewritten(path, target, **changes):
    """A file with another entry "jax" in its header."""
    header, arrays, programs = parts(path)
    header["jax"] |= changes
    _file.write(target, arrays, programs, header, overwrite=True)
    return target


def test_the_promise(path, tmp_path, monkeypatch):
    target = tmp_path / "promise.fv"
    sentence = "jax promises that its releases until 2024-07-28 run it"
    old = rewritten(path, target, calling_convention=2, version="0.4.1", written="2024-01-31")
    refused(old, rf"export the model again \(written by jax 0.4.1 on 2024-01-31; {sentence}\)", inspect_programs=False)
    new = rewritten(path, target, calling_convention=99, version="77.0")
    refused(new, "install jax 77.0 or newer", inspect_programs=False)
    with pytest.warns(UserWarning, match="this is the older jax"):
        export.load(rewritten(path, target, version="77.0"), inspect_programs=False)
    with pytest.warns(UserWarning, match=f"may be too new; export the model again .*{sentence}"):
        export.load(rewritten(path, target, version="0.4.1", written="2024-01-31"), inspect_programs=False)
    export.load(  # within six months
        rewritten(path, target, version="0.4.1", written=datetime.date.today().isoformat()), inspect_programs=False
    )
    assert "2025-02-28" in _promise.promise({"version": "1", "written": "2024-08-31"})


def test_a_newer_format(path, tmp_path):
    header, arrays, programs = parts(path)
    _file.write(tmp_path / "new.fv", arrays, programs, header | {"format": 2}, overwrite=True)
    refused(tmp_path / "new.fv", "has format 2, and this version of funcvision reads up to 1: update funcvision")
