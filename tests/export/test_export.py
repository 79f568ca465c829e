"""`funcvision.export`: loaded functions compute what the originals compute, without the code of the model."""

import pathlib
import subprocess
import sys
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from funcvision import export, nn
from funcvision import functional as F
from funcvision.export import _trees, loading
from funcvision.vision.transforms.presets import ImageClassification


class Tiny(nn.Module):
    """Layers that are lowered differently for each platform, a norm with state, and dropout."""

    def __init__(self):
        self.conv1 = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.conv3 = nn.Conv2d(16, 32, 1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(32, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = F.adaptive_avg_pool2d(F.relu(self.conv3(self.conv2(x))), 1)
        return self.fc(self.dropout(x.reshape(x.shape[0], -1)))


@pytest.fixture(scope="module")
def model():
    return Tiny()


@pytest.fixture(scope="module")
def arrays(model):
    params, state = model.init(jax.random.key(0))
    rng = np.random.default_rng(0)
    state = {
        name: jnp.asarray(rng.uniform(0.5, 2, array.shape), "float32") if array.ndim else array
        for name, array in state.items()
    }
    return params, state


@pytest.fixture(scope="module")
def saved(model, arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "tiny.fv"
    export.save(
        path, model, *arrays, image_size=(32, 48), categories=list("abcde"), license="CC0", name="tiny", gradients=True,
        preset=ImageClassification(crop_size=32), batch="symbolic",
    )
    return path


@pytest.fixture(scope="module")
def loaded(saved):
    return export.load(saved)


def images(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def assert_close(ours, expected):
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)


def test_any_batch(model, arrays, loaded):
    for batch in (1, 3):
        x = images(batch, 32, 48, 3)
        assert_close(loaded(x), model.apply(*arrays, jnp.asarray(x))[0])


def test_what_the_file_says(loaded):
    assert (loaded.name, loaded.license, loaded.categories) == ("tiny", "CC0", tuple("abcde"))
    assert loaded.platforms == ("cpu", "cuda", "tpu")
    assert ImageClassification(**loaded.preset["options"]).options["crop_size"] == loaded.preset["options"]["crop_size"]
    assert loaded.preset["name"] == "ImageClassification"
    assert loaded.programs == [{
        "inputs": {
            "structure": {"tuple": ["*"]}, "leaves": [{"shape": ["batch", 32, 48, 3], "dtype": "float32"}]
        },
        "output": {"structure": "*", "leaves": [{"shape": ["batch", 5], "dtype": "float32"}]},
    }]
    assert "six months" not in loaded.promise
    assert f"written by jax {jax.__version__}" in loaded.promise
    assert "promises" in repr(loaded)


def test_gradients(model, arrays, loaded):
    """With respect to the parameters and the images; the derivative itself is part of the program."""
    params, state = arrays
    x = jnp.asarray(images(3, 32, 48, 3))

    def ours(params, x):
        return jnp.sum(jnp.sin(loaded.apply({**params, **state}, x)))

    def expected(params, x):
        return jnp.sum(jnp.sin(model.apply(params, state, x)[0]))

    jax.tree.map(assert_close, jax.jit(jax.grad(ours, (0, 1)))(params, x), jax.grad(expected, (0, 1))(params, x))


def test_it_needs_no_code_of_the_model(model, arrays, saved, tmp_path):
    x = images(2, 32, 48, 3)
    np.save(tmp_path / "x.npy", x)
    program = f"""
import sys
for name in ("nn", "vision", "vision.models", "eager", "data", "train"):
    sys.modules["funcvision." + name] = None  # an import of it raises ImportError
import numpy as np
from funcvision import export
np.save({str(tmp_path / "y.npy")!r}, export.load({str(saved)!r})(np.load({str(tmp_path / "x.npy")!r})))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert_close(np.load(tmp_path / "y.npy"), model.apply(*arrays, jnp.asarray(x))[0])


def test_arrays_are_stored_once_aligned_and_mapped(arrays, saved, loaded):
    """Other programs read them, and jax uses the mapped memory without a copy."""
    stored = safetensors.numpy.load_file(saved)
    params, state = arrays
    assert set(stored) == {*params, *state, "funcvision.program.0"}
    for name, array in {**params, **state}.items():
        np.testing.assert_array_equal(stored[name], array, strict=True)
    conv3 = loaded.arrays["conv3.weight"]
    assert conv3.unsafe_buffer_pointer() % 64 == 0
    if sys.platform == "linux":
        maps = pathlib.Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        ranges = [line.split()[0].split("-") for line in maps if line.endswith(str(saved))]
        assert any(int(start, 16) <= conv3.unsafe_buffer_pointer() < int(end, 16) for start, end in ranges)


def test_the_file_has_no_paths_of_this_machine(saved):
    content = saved.read_bytes()
    assert b"test_export" not in content
    assert b"module.py" not in content


def test_listed_and_symbolic_sizes(model, arrays, tmp_path):
    path = tmp_path / "sizes.fv"
    export.save(path, model, *arrays, image_size=[(32, 48), (64, 64)], batch=[2], platforms=["cpu"])
    listed = export.load(path, inspect_programs=False)
    assert len(listed.programs) == 2
    export.save(path, model, *arrays, image_size="symbolic", overwrite=True)
    symbolic = export.load(path, inspect_programs=False)
    expected = model.apply(*arrays, jnp.asarray(images(2, 64, 64, 3)))[0]
    assert_close(listed(images(2, 64, 64, 3)), expected)
    assert_close(symbolic(images(2, 64, 64, 3)), expected)
    assert listed(images(2, 32, 48, 3)).shape == (2, 5)
    assert symbolic(images(1, 65, 70, 3)).shape == (1, 5)
    with pytest.raises(ValueError, match=r"takes \(2, 32, 48, 3\) float32 or \(2, 64, 64, 3\) float32; it was given"):
        listed(images(1, 64, 64, 3))
    with pytest.raises(ValueError, match=r"\(batch, height, width, 3\) float32, height at least 64, width at least 64"):
        symbolic(images(2, 32, 48, 3))


def test_pools_of_symbolic_sizes(tmp_path):
    """Windows without padding, as in VGG and DenseNet, and averages that count the padding, as in Inception."""
    class Pools(nn.Module):
        def forward(self, x):
            x = F.avg_pool2d(F.max_pool2d(x, 3, 2), 2)
            return F.avg_pool2d(x, 3, 1, 1).mean((1, 2))

    export.save(tmp_path / "p.fv", Pools(), {}, {}, image_size="symbolic", platforms=["cpu"], batch="symbolic")
    x = images(2, 65, 71, 3)
    assert_close(export.load(tmp_path / "p.fv", inspect_programs=False)(x), Pools().apply({}, {}, jnp.asarray(x))[0])


def test_a_model_without_symbolic_sizes_is_named(tmp_path):
    class Adaptive(nn.Module):
        def forward(self, x):
            return F.adaptive_avg_pool2d(x, 7)

    message = r"^Adaptive cannot be exported for inputs of shape \(1, height, width, 3\): .*image_size=\(224, 224\)"
    with pytest.raises(ValueError, match=message):
        export.save(tmp_path / "a.fv", Adaptive(), {}, {}, image_size="symbolic")


def test_a_batch_on_a_cpu_runs_image_by_image(model, arrays, tmp_path, monkeypatch):
    """By default, for a model that computes much with its arrays."""
    path = tmp_path / "one.fv"
    export.save(path, model, *arrays, image_size=(64, 48), gradients=True)
    loop = export.load(path, inspect_programs=False)
    assert [program["inputs"]["leaves"][0]["shape"][0] for program in loop.programs] == [1, "batch"]
    monkeypatch.setattr(loading, "_MIN_OPERATIONS_PER_BYTE", 1e9)
    symbolic = export.load(path, inspect_programs=False)
    x = images(3, 64, 48, 3)

    def loss(function, x):
        return jnp.sum(function(x) ** 2)

    has_loop = ["scan" in str(jax.make_jaxpr(one)(x)) for one in (loop, symbolic)]
    assert has_loop == ([True, False] if jax.default_backend() == "cpu" else [False, False])
    expected = model.apply(*arrays, jnp.asarray(x))[0]
    assert_close(loop(x), expected)
    assert_close(symbolic(x), expected)
    gradients = [jax.grad(loss, 1)(one, jnp.asarray(x)) for one in (loop, symbolic)]
    assert_close(*gradients)


def test_with_preparation(model, arrays, tmp_path):
    preset = ImageClassification(crop_size=(24, 32), resize_size=36)
    export.save(tmp_path / "p.fv", model, *arrays, preset=preset, prepare_from=(50, 60))
    loaded = export.load(tmp_path / "p.fv", inspect_programs=False)
    x = np.random.default_rng(0).integers(0, 256, (2, 50, 60, 3), np.uint8)
    logits = model.apply(*arrays, preset(jnp.asarray(x)))[0]
    assert loaded.prepared
    assert_close(loaded(x), jax.nn.softmax(logits))


def test_dtype(model, arrays, tmp_path):
    export.save(tmp_path / "h.fv", model, *arrays, image_size=(32, 32), dtype="bfloat16", batch="symbolic")
    loaded = export.load(tmp_path / "h.fv", inspect_programs=False)
    assert loaded.arrays["fc.weight"].dtype == jnp.bfloat16
    assert loaded.arrays["bn1.num_batches_tracked"].dtype == arrays[1]["bn1.num_batches_tracked"].dtype
    assert loaded(images(1, 32, 32, 3).astype(jnp.bfloat16)).dtype == jnp.bfloat16
    with pytest.raises(ValueError, match=r"takes \(batch, 32, 32, 3\) bfloat16; it was given \(1, 32, 32, 3\) float32"):
        loaded(images(1, 32, 32, 3))


class Result(typing.NamedTuple):
    params: dict
    loss: jax.Array


def step(arrays, x, options):
    def loss(w):
        return jnp.mean((x @ w - options["target"]) ** 2)

    value, gradient = jax.value_and_grad(loss)(arrays["net"]["w"])
    net = {"w": arrays["net"]["w"] - 0.1 * gradient}
    return Result({"net": net, "steps": [arrays["steps"][0] + 1, None]}, value)


def test_a_training_step(tmp_path):
    """It takes and returns nested containers, and a result of a class of its own becomes a dict."""
    arrays = {"net": {"w": jnp.eye(3)}, "steps": [jnp.int32(0), None]}
    (n,) = jax.export.symbolic_shape("n")
    example = jax.ShapeDtypeStruct((n, 3), jnp.float32), {"target": jax.ShapeDtypeStruct((n, 3), jnp.float32)}
    export.save_function(tmp_path / "step.fv", step, arrays, *example, license="none")
    loaded = export.load(tmp_path / "step.fv", inspect_programs=False)
    assert loaded.name == "step"
    x, target = images(4, 3), images(4, 3) + 1
    ours, expected = loaded.arrays, arrays
    for _ in range(3):
        result = loaded.apply(ours, x, {"target": target})
        expected, loss = step(expected, jnp.asarray(x), {"target": jnp.asarray(target)})
        ours = result["params"]
        assert_close(result["loss"], loss)
    jax.tree.map(assert_close, ours, expected)
    with pytest.raises(ValueError, match="containers of its attribute `arrays`"):
        loaded.apply({"w": x}, x, {"target": target})
    with pytest.raises(ValueError, match=r"takes \(n, 3\) float32, \(n, 3\) float32; it was given \(4, 3\) float32"):
        loaded.apply(ours, x)


def test_what_cannot_be_saved(model, arrays, tmp_path):
    path = tmp_path / "no.fv"
    for options, message in [
        ({}, "give either image_size"),
        ({"image_size": (8, 8), "prepare_from": (8, 8)}, "give either image_size"),
        ({"prepare_from": (8, 8)}, "give the preset"),
        ({"image_size": (0, 8)}, "both 1 or more"),
        ({"image_size": []}, r"or a list of such; got \[\]"),
        ({"image_size": 8}, "or a list of such; got 8"),
        ({"image_size": "h"}, "a height and a width"),
        ({"prepare_from": [(8, 8), (9, 9)], "preset": ImageClassification(crop_size=8)}, "one .height, width."),
        ({"image_size": (8, 8), "platforms": ["cpu", "gpu"]}, "some of cpu, cuda, rocm, tpu"),
        ({"image_size": (8, 8), "platforms": []}, "some of cpu, cuda, rocm, tpu"),
        ({"image_size": (8, 8), "platforms": "cpu"}, "got 'cpu'"),
        ({"image_size": (8, 8), "batch": 0}, "1 or more.*got 0"),
        ({"image_size": (8, 8), "batch": ["any"]}, r"got \['any'\]"),
        ({"image_size": (8, 8), "batch": []}, r"got \[\]"),
        ({"image_size": (8, 8), "dtype": "float31"}, "dtype='float31' is no floating-point type"),
        ({"image_size": (8, 8), "dtype": "int8"}, "dtype='int8' is no floating-point type"),
        ({"image_size": (8, 8), "categories": ["a"]}, "there are 1 categories, and Tiny has 5 classes"),
        (
            {"image_size": (8, 8), "in_channels": 4, "batch": "symbolic"},
            r"cannot be exported for inputs of shape \(batch, 8, 8, 4\)",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            export.save(path, model, *arrays, **options)

    def callback(arrays, x):
        return jax.pure_callback(lambda x: x, jax.typeof(x), x)

    with pytest.raises(ValueError, match="cannot be exported"):
        export.save_function(path, callback, {}, images(2, 2))
    with pytest.raises(TypeError, match="keys are strings"):
        export.save_function(path, lambda arrays, x: x, {1: images(2)}, images(2))
    with pytest.raises(ValueError, match="same name"):
        export.save_function(path, lambda arrays, x: x, {"a.b": images(2), "a": {"b": images(2)}}, images(2))
    with pytest.raises(ValueError, match="reserved"):
        export.save_function(path, lambda arrays, x: x, {"__metadata__": images(2)}, images(2))
    with pytest.raises(TypeError, match="no random keys"):
        export.save_function(path, lambda arrays, key: jax.random.normal(key), {}, jax.random.key(0))
    with pytest.raises(ValueError, match="no random keys"):
        export.save_function(path, lambda arrays, x: jax.random.key(0), {}, images(2))
    assert not path.exists()


def test_where_a_file_cannot_be_written_is_said_before_the_work(tmp_path):
    """And the name in the message is the given one, also where the system refuses the temporary file."""
    def function(arrays, x):
        raise AssertionError("the function was traced")

    path = tmp_path / "a.fv"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export.save_function(path, function, {"a": images(2)}, images(2))
    assert path.read_bytes() == b"precious"
    with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist"):
        export.save_function(tmp_path / "nowhere/a.fv", function, {}, images(2))
    with pytest.raises(OSError, match=r"a\.fv") as error:
        export.save_function("/proc/a.fv", lambda arrays, x: x, {}, images(2), platforms=["cpu"])
    assert error.value.filename == "/proc/a.fv"


def test_what_a_loaded_function_cannot_do(tmp_path):
    """It says which function it is, and what to do."""
    path = tmp_path / "double.fv"
    export.save_function(path, lambda arrays, x: 2 * x, {}, 1.0, platforms=["tpu"], name="double")
    with pytest.raises(ValueError, match=r"Function 'double' was exported for platforms .*tpu.* used on .*cpu"):
        export.load(path, inspect_programs=False)(jnp.float32(1))
    export.save_function(path, lambda arrays, x: 2 * x, {}, 1.0, name="double", overwrite=True)
    loaded = export.load(path, inspect_programs=False)
    assert loaded(jnp.float32(1)) == 2
    with pytest.raises(ValueError, match="double was exported without its derivative: save it with gradients=True"):
        jax.grad(loaded)(jnp.float32(1))


@pytest.mark.parametrize("tree", [
    1, None, [], {}, (1, [2, None], {"b": 3, "a": (4,)}), {"dict": {"list": [1]}, "tuple": ()},
])
def test_structures(tree):
    structure, leaves = _trees.flatten(tree)
    assert _trees.unflatten(structure, leaves) == tree
    assert len(_trees.names(structure)) == _trees.count(structure) == len(leaves)
