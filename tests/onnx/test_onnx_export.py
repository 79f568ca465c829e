"""ONNX files give the answers of the models, by onnxruntime. These tests run where jax2onnx and onnxruntime are."""

import collections
import importlib.util
import json
import os
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Primitive

from funcvision import cli, export, nn
from funcvision import functional as F
from funcvision.export import onnx_file
from funcvision.functional import norm, pool
from funcvision.vision import convert, models
from funcvision.vision.transforms import presets

MISSING = [name for name in ("jax2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
REASON = f"tests/onnx is NOT run: {' and '.join(MISSING)} not installed"
if MISSING and os.environ.get("FUNCVISION_REQUIRE_ONNX"):
    raise pytest.UsageError(REASON)
pytestmark = pytest.mark.skipif(bool(MISSING), reason=REASON)

SMALL = {  # one member of each family, and the size of its images
    "alexnet": 64, "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "googlenet": 33, "inception_v3": 75,
    "maxvit_t": 64, "mnasnet0_5": 32, "mobilenet_v2": 32, "mobilenet_v3_small": 32, "regnet_y_400mf": 32,
    "resnet18": 33, "shufflenet_v2_x0_5": 32, "squeezenet1_1": 33, "swin_t": 32, "swin_v2_t": 32, "vgg11_bn": 32,
    "vit_b_32": 64,
}  # fmt: skip


def build(name, size):
    options = {"vit": {"image_size": size}, "max": {"input_size": (size, size), "partition_size": size // 32}}
    options = options.get(name[:3], {})
    return models.get_model(name, num_classes=10, **options)


GAINS = {
    "efficientnet_v2": 1.05, "efficientnet_b5": 1.3, "efficientnet_b6": 1.3, "efficientnet_b7": 1.3,
    "regnet_y_1_6gf": 1.2, "regnet_y_128gf": 1.2,
}  # fmt: skip
"""Other gains than 1.4, with which a change of the image by 1e-6 changes the logits of these deep networks by 1% and
more: growing signals make steps of their gates. With a gain of 1 the logits hardly depend on the image."""


def random_arrays(model, gain=1.4):
    """Weights that about keep the scale of signals, and running statistics that are not 0 and 1."""
    rng = np.random.default_rng(0)

    def array(name, spec):
        if len(spec.shape) > 1:
            factor = gain if len(spec.shape) == 4 else 1
            few = rng.normal(0, factor * np.prod(spec.shape[:-1]) ** -0.5, min(np.prod(spec.shape), 99_991))
            return np.resize(few.astype(np.float32), spec.shape)
        low, high = (0.8, 1.2) if name.endswith(("weight", "var", "scale")) else (-0.2, 0.2)
        return rng.uniform(low, high, spec.shape).astype(np.float32)

    def integers(key):
        return {name: x for name, x in model.init(key)[1].items() if not jnp.issubdtype(x.dtype, jnp.floating)}

    params, state = jax.eval_shape(model.init, jax.random.key(0))
    fixed = jax.tree.map(np.asarray, jax.jit(integers)(jax.random.key(0)))
    return [{name: fixed.get(name, array(name, spec)) for name, spec in part.items()} for part in (params, state)]


def runs(path, images):
    """The first output of a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options).run(None, {"images": images})[0]


def difference(name, size, tmp_path):
    """The largest difference of logits, relative to the largest one."""
    model, path = build(name, size), tmp_path / "model.onnx"
    gain = next((gain for family, gain in GAINS.items() if name.startswith(family)), 1.4)
    params, state = random_arrays(model, gain)
    export.save_onnx(path, model, params, state, image_size=(size, size))
    images = np.random.default_rng(1).normal(size=(3, 3, size, size)).astype(np.float32)
    answer = jax.jit(lambda p, s, x: model.apply(p, s, x)[0])(params, state, images.transpose(0, 2, 3, 1))
    logits = np.asarray(answer["out"].transpose(0, 3, 1, 2) if isinstance(answer, dict) else answer)
    scale = np.abs(logits).max()
    assert np.abs(logits - logits[:1]).max() > 1e-3 * scale, "the logits do not depend on the images"
    found = max(np.abs(runs(path, images[:batch]) - logits[:batch]).max() / scale for batch in (3, 1))
    print(f"{name}: {found:.1e}")  # shown with -s
    return found


@pytest.mark.parametrize("name", SMALL)
def test_a_model_of_each_family(name, tmp_path):
    assert difference(name, SMALL[name], tmp_path) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", models.list_models("classification"))
def test_all_classifiers(name, tmp_path):
    assert difference(name, 224, tmp_path) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
def test_segmentation(name, tmp_path):
    """The masks have the channels first, under the names of the model's outputs."""
    assert difference(name, 64, tmp_path) < 1e-4


def graph_of(path):
    import onnx

    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def test_resnet50_has_plain_operators(tmp_path):
    """Batch normalisations are part of the convolutions, and nothing is transposed."""
    model, path = models.resnet50(num_classes=10), tmp_path / "resnet50.onnx"
    params, state = random_arrays(model)
    preset = presets.ImageClassification(crop_size=64)
    categories = [f"class {i}" for i in range(10)]
    export.save_onnx(
        path, model, params, state, image_size=(64, 64), preset=preset, categories=categories, name="resnet50")
    proto = graph_of(path)
    assert collections.Counter(node.op_type for node in proto.graph.node) == {
        "Conv": 53, "Relu": 49, "Add": 16, "MaxPool": 1, "GlobalAveragePool": 1, "Reshape": 1, "Gemm": 1,
    }
    names = {tensor.name for tensor in proto.graph.initializer}
    assert {"conv1.weight", "conv1.bias", "layer4.2.conv3.weight", "fc.weight", "fc.bias"} <= names
    sizes = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
             for value in (*proto.graph.input, *proto.graph.output)]
    assert sizes == [["batch", 3, 64, 64], ["batch", 10]]
    assert [value.name for value in (*proto.graph.input, *proto.graph.output)] == ["images", "logits"]
    notes = {prop.key: json.loads(prop.value) for prop in proto.metadata_props}
    assert notes["preset"]["name"] == "ImageClassification"
    assert notes["categories"] == categories
    assert (notes["name"], notes["layout"], notes["prepared"]) == ("resnet50", "NCHW", False)
    content = path.read_bytes()
    root, home = f"{pathlib.Path(export.__file__).parents[2]}".encode(), f"{pathlib.Path.home()}/".encode()
    assert not any(part in content for part in (root, home, b"site-packages"))
    del proto.graph.initializer[:]
    assert b".py" not in proto.SerializeToString()


class Layers(nn.Module):
    """Layers that the small classifiers do not have, or not with these options."""

    def __init__(self):
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, dilation=2, groups=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, (3, 1), padding="same", groups=4)
        self.norm = nn.LayerNorm(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = F.hardswish(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True) + F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
        x = x + F.avg_pool2d(F.relu6(self.conv2(x)), 3, 1, 1, count_include_pad=False)
        x = F.adaptive_max_pool2d(F.gelu(self.norm(x)), 2) * F.sigmoid(F.adaptive_avg_pool2d(x, 2))
        return F.softmax(self.fc(jnp.concatenate([x, x[:, ::-1]], 1).mean((1, 2))))


@pytest.fixture(scope="module")
def layers():
    model = Layers()
    return model, *random_arrays(model)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_layers_and_layouts(layers, layout, tmp_path):
    model, params, state = layers
    path = tmp_path / "layers.onnx"
    export.save_onnx(path, *layers, image_size=(22, 25), layout=layout)
    images = np.random.default_rng(2).normal(size=(3, 22, 25, 3)).astype(np.float32)
    expected = jax.jit(lambda x: model.apply(params, state, x)[0])(images)
    found = runs(path, images.transpose(0, 3, 1, 2) if layout == "NCHW" else images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


class Lookalikes(nn.Module):
    """Computes what is nearly GlobalAveragePool, Softmax or And of ONNX."""

    def forward(self, x):
        y = x[..., 0]
        powers = jnp.exp(y - y.max(2, keepdims=True))
        return {
            "pool": F.avg_pool2d(x, 4, 9, 1),  # one window of the size of the image, which is not on the image
            "softmax": powers / powers.sum(2)[:, None],  # the sums of rows divide columns
            "bits": ((8 * x).astype(jnp.int32) & 5).astype(jnp.float32),
        }


def test_what_looks_like_an_operator_and_is_another(tmp_path):
    model, path = Lookalikes(), tmp_path / "lookalikes.onnx"
    export.save_onnx(path, model, {}, {}, image_size=(4, 4), layout="NHWC")
    images = np.random.default_rng(2).normal(size=(3, 4, 4, 3)).astype(np.float32)
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    found = dict(zip((one.name for one in session.get_outputs()), session.run(None, {"images": images}), strict=True))
    for name, expected in model.apply({}, {}, images)[0].items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5, err_msg=name)


def test_a_fixed_batch(layers, tmp_path):
    path = tmp_path / "layers.onnx"
    export.save_onnx(path, *layers, image_size=(22, 25), batch=2)
    proto = graph_of(path)
    assert [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == [2, 3, 22, 25]
    images = np.zeros((3, 3, 22, 25), np.float32)
    assert runs(path, images[:2]).shape == (2, 5)
    with pytest.raises(Exception, match="invalid dimensions"):
        runs(path, images)


def test_preparation_in_the_program(layers, tmp_path):
    """It takes uint8 images and returns the probabilities of the model for the preset's result."""
    model, params, state = layers
    path, preset = tmp_path / "layers.onnx", presets.ImageClassification(crop_size=(22, 25), resize_size=26)
    export.save_onnx(path, *layers, prepare_from=(40, 52), preset=preset)
    images = np.random.default_rng(3).integers(0, 256, (2, 40, 52, 3), np.uint8)
    expected = jax.nn.softmax(jax.jit(lambda x: model.apply(params, state, x)[0])(preset(jnp.asarray(images))))
    np.testing.assert_allclose(runs(path, images.transpose(0, 3, 1, 2)), expected, rtol=0, atol=1e-4)
    assert graph_of(path).graph.output[0].name == "probabilities"


def test_weights_in_a_file_of_their_own(layers, monkeypatch, tmp_path):
    path = tmp_path / "layers.onnx"
    images = np.random.default_rng(2).normal(size=(2, 3, 22, 25)).astype(np.float32)
    export.save_onnx(path, *layers, image_size=(22, 25))
    expected, size = runs(path, images), path.stat().st_size
    monkeypatch.setattr(onnx_file, "_MOST_BYTES", 0)
    monkeypatch.setattr(onnx_file, "_LEAST_OUTSIDE", 512)
    export.save_onnx(path, *layers, image_size=(22, 25), overwrite=True)
    np.testing.assert_array_equal(runs(path, images), expected)
    assert path.stat().st_size < size
    assert sorted(file.name for file in tmp_path.iterdir()) == ["layers.onnx", "layers.onnx.data"]


def test_nothing_stays_patched(layers, tmp_path):
    """Also when the conversion fails. The error names the primitive, and no file is left."""
    unheard_of = Primitive("unheard_of")
    unheard_of.def_abstract_eval(lambda x: x)

    class Odd(nn.Module):
        def forward(self, x):
            return unheard_of.bind(x)

    before = pool.window_max, pool._avg_pool, pool._adaptive_avg_pool, norm._normalised
    with pytest.raises(ValueError, match="jax2onnx fails to convert 'unheard_of'"):
        export.save_onnx(tmp_path / "odd.onnx", Odd(), {}, {}, image_size=(4, 4))
    assert (pool.window_max, pool._avg_pool, pool._adaptive_avg_pool, norm._normalised) == before
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path, capsys):
    checkpoint, out, names = tmp_path / "s.safetensors", tmp_path / "s.onnx", tmp_path / "names.txt"
    model = models.squeezenet1_1(num_classes=2)
    convert.save(checkpoint, model, *random_arrays(model))
    names.write_text("robin\nwren\n", encoding="utf-8")
    arguments = ["export", str(checkpoint), "--out", str(out), "--classes", str(names), "--image-size", "64"]
    assert cli.main(arguments) == 0
    assert "MiB ->" in capsys.readouterr().out
    assert cli.main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert cli.main([*arguments, "--force", "--batch", "1"]) == 0
    proto = graph_of(out)
    assert [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 64, 64]
    notes = {prop.key: json.loads(prop.value) for prop in proto.metadata_props}
    assert notes["categories"] == ["robin", "wren"]
    assert notes["preset"]["options"]["crop_size"]


def test_the_page(tmp_path, monkeypatch):
    """The Python of the section about ONNX, which the other environment cannot run."""
    monkeypatch.chdir(tmp_path)
    page = pathlib.Path(__file__).parents[2] / "docs" / "deploy.md"
    (block,) = re.findall(r"^```py\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(block, "deploy.md", "exec"), {"__name__": "page"})
