"""The registry, and loading with weights."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn
from funcvision.vision import convert, models
from funcvision.vision._names import WRAPPERS
from funcvision.vision.models._zoo import registry


def shapes_of(name, **options):
    return {key: one.shape for key, one in models.get_model(name, **options).declarations().items()}


@pytest.mark.parametrize("name", models.list_models())
def test_recognise_each_by_its_shapes(name):
    found, model = models.recognise(shapes_of(name))
    assert found == name.replace("_320", "").replace("quantized_", "")  # which has the same arrays
    assert {key: one.shape for key, one in model.declarations().items()} == shapes_of(name)


@pytest.mark.parametrize("name", models.list_models("quantization"))
def test_recognise_models_of_integers(name):
    for backend, shape in (("fbgemm", (9,)), ("qnnpack", ())):
        shapes = shapes_of(name, quantize=True, backend=backend, num_classes=9)
        found, model = models.recognise(shapes)
        assert found == name
        declared = model.declarations()
        assert {key: one.shape for key, one in declared.items()} == shapes
        assert [one.shape for key, one in declared.items() if key.endswith(".weight_scale")][-1] == shape


def test_recognise_other_numbers_of_classes_and_channels_and_old_checkpoints():
    shapes = shapes_of("wide_resnet50_2", num_classes=13, in_channels=4)
    old = {key: shape for key, shape in shapes.items() if not key.endswith("num_batches_tracked")}
    found, model = models.recognise(old)
    assert found == "wide_resnet50_2"
    assert model.declarations()["fc.weight"].shape == (13, 2048)
    assert model.declarations()["conv1.weight"].shape == (64, 4, 7, 7)


@pytest.mark.parametrize(("name", "options"), [
    ("googlenet", {"aux_logits": False}), ("inception_v3", {"aux_logits": False, "num_classes": 5}),
    ("vit_b_16", {"image_size": 384}), ("vit_h_14", {"image_size": 518}), ("vit_b_32", {"image_size": 64}),
])
def test_recognise_what_was_built_with_options(name, options):
    shapes = shapes_of(name, **options)
    found, model = models.recognise(shapes)
    assert found == name
    assert {key: one.shape for key, one in model.declarations().items()} == shapes


@pytest.mark.parametrize("name", models.list_models())
def test_no_name_in_a_model_looks_like_a_wrapper(name):
    """Otherwise a part of a name that a wrapper adds could be one of the model's own."""
    names = shapes_of(name)
    assert not WRAPPERS & {part for one in names for part in one.split(".")}
    assert len({one.partition(".")[0] for one in names}) > 1  # so that a first part that all share is a wrapper's


def test_recognise_a_detector_with_frozen_norms_and_the_names_of_old_files():
    old = {}
    for key, shape in shapes_of("retinanet_resnet50_fpn", num_classes=4, frozen_eps=0.0).items():
        key = re.sub(r"(_head\.conv)\.(\d)\.0\.", lambda found: f"{found[1]}.{2 * int(found[2])}.", key)
        old[re.sub(r"(_blocks\.\d)\.0\.", r"\1.", key)] = shape
    assert "head.regression_head.conv.6.bias" in old
    found, model = models.recognise(old)
    assert found == "retinanet_resnet50_fpn"
    assert model.declarations()["head.classification_head.cls_logits.bias"].shape == (36,)
    assert model.backbone.body.bn1.eps == 1e-5


def test_recognise_models_that_are_wrapped():
    shapes = shapes_of("mnasnet0_5", num_classes=13)
    for wrapped in (
        {f"module.{key}": shape for key, shape in shapes.items()},
        {f"student.{key}": shape for key, shape in shapes.items()},
        {key.replace("layers.", "layers._orig_mod."): shape for key, shape in shapes.items()},
        {f"a.b.{key.replace('layers.', 'layers._orig_mod.')}": shape for key, shape in shapes.items()},
        {f"model.module.{key}": shape for key, shape in shapes.items()} | {"n_averaged": ()},
    ):
        found, model = models.recognise(wrapped)
        assert found == "mnasnet0_5"
        assert {key: one.shape for key, one in model.declarations().items()} == shapes


def test_recognise_names_what_is_close():
    shapes = shapes_of("resnet34")
    shapes["layer1.0.conv1.weight"] = (64, 64, 5, 5)
    with pytest.raises(ValueError, match=r"fit no model; most similar by their names: resnet34 \(100%\)"):
        models.recognise(shapes)
    shapes["fc.weight"] = (10,)
    with pytest.raises(ValueError, match="fit no model"):
        models.recognise(shapes)


def test_models_by_task(monkeypatch):
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    before, classifiers = models.list_models(), models.list_models("classification")
    assert set(classifiers) < set(before)

    @models.register(task="optical_flow")
    def flow_of_everything():
        return nn.Linear(2, 3)

    assert "flow_of_everything" in models.list_models("optical_flow")
    assert models.list_models("classification") == classifiers
    assert set(models.list_models()) == {*before, "flow_of_everything"}
    with pytest.raises(ValueError, match="task='detecting' is unknown; tasks are classification, detection, seg"):
        models.register(task="detecting")
    with pytest.raises(ValueError, match="task='detecting' is unknown"):
        models.list_models("detecting")
    with pytest.raises(ValueError, match="names depth; it can name num_classes, in_channels"):
        models.register(probed=("depth",))


def test_options_of_a_checkpoint_that_probing_cannot_find(monkeypatch):
    """The output of a detector has anchors times classes channels, and optical flow has no classes."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    anchors = 9

    @models.register(
        task="detection",
        read_options=lambda shapes: {"num_classes": shapes.get("head.weight", (0,))[0] // anchors},
    )
    def detector(num_classes=91, *, in_channels=3):
        return nn.Sequential({
            "stem": nn.Conv2d(in_channels, 4, 3), "relu": nn.ReLU(), "head": nn.Conv2d(4, anchors * num_classes, 1)
        })

    @models.register(task="optical_flow", probed=())
    def flow():
        return nn.Sequential({"flow": nn.Conv2d(6, 2, 3)})

    shapes = shapes_of("detector", num_classes=5, in_channels=2)
    assert registry.read_options("detector", shapes) == {"num_classes": 5, "in_channels": 2}
    found, model = models.recognise(shapes)
    assert (found, model.declarations()["head.weight"].shape) == ("detector", (45, 4, 1, 1))
    assert models.recognise(shapes_of("flow"))[0] == "flow"


def test_load(tmp_path):
    model = models.resnet18(10)
    params, state = model.init(jax.random.key(0))
    path = tmp_path / "ten.safetensors"
    convert.save(path, model, params, state)

    for name in ("resnet18", None):
        loaded, loaded_params, loaded_state = models.load(name, path)
        assert loaded.fc.out_features == 10
        for key, value in (params | state).items():
            np.testing.assert_array_equal((loaded_params | loaded_state)[key], value)

    with pytest.raises(ValueError, match=r"no tensors of these shapes for fc.weight, fc.bias: pass key="):
        models.load("resnet18", path, num_classes=3)
    with pytest.warns(UserWarning, match=r"resnet18: freshly initialised, .*: fc\.weight, fc\.bias"):
        other, other_params, _ = models.load("resnet18", path, num_classes=3, key=jax.random.key(1))
    assert other_params["fc.weight"].shape == (512, 3)
    np.testing.assert_array_equal(other_params["layer4.1.conv2.weight"], params["layer4.1.conv2.weight"])
    assert other.fc.out_features == 3
    with pytest.raises(ValueError, match="missing"):
        models.load("resnet34", path)


def test_imagenet_classes():
    classes = models.imagenet_classes()
    assert len(classes) == 1000
    assert (classes[0], classes[258], classes[999]) == ("tench", "Samoyed", "toilet tissue")


def test_classify_sorts_by_probability():
    model = models.resnet18(6)
    params, state = model.init(jax.random.key(0))
    image = jax.random.normal(jax.random.key(1), (64, 64, 3))
    found = models.classify(model, params, state, image, top=4)
    logits = model.apply(params, state, image[None])[0][0]
    probabilities = np.asarray(jax.nn.softmax(logits))
    assert [name for name, _ in found] == [f"class {i}" for i in np.argsort(-probabilities)[:4]]
    np.testing.assert_allclose([p for _, p in found], np.sort(probabilities)[::-1][:4], rtol=1e-5)
    named = models.classify(model, params, state, jnp.zeros((64, 64, 3)), top=9, classes="abcdef")
    assert sorted(name for name, _ in named) == list("abcdef")


def test_load_without_auxiliary_heads_and_with_other_positions(tmp_path):
    whole = models.googlenet(4)
    params, state = jax.jit(whole.init)(jax.random.key(0))
    convert.save(tmp_path / "googlenet.safetensors", whole, params, state)
    model, loaded, _ = models.load(None, tmp_path / "googlenet.safetensors", aux_logits=False)
    assert model.aux1 is None
    assert loaded.keys() == {name for name in params if not name.startswith("aux")}

    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8}
    small = models.vit_b_16(3, image_size=64, **sizes)
    params, state = jax.jit(small.init)(jax.random.key(0))
    convert.save(tmp_path / "vit.safetensors", small, params, state)
    _, same, _ = models.load("vit_b_16", tmp_path / "vit.safetensors", **sizes)
    np.testing.assert_array_equal(same["encoder.pos_embedding"], params["encoder.pos_embedding"])
    model, larger, _ = models.load("vit_b_16", tmp_path / "vit.safetensors", image_size=96, **sizes)
    expected = models.interpolate_embeddings(params, 96, 16)
    for name, array in expected.items():
        np.testing.assert_allclose(larger[name], array, rtol=1e-6)
    assert model.apply(larger, {}, jnp.ones((1, 96, 96, 3)))[0].shape == (1, 3)


def test_names_that_hosted_files_still_have(tmp_path):
    """DenseNet and the vision transformers have old names of layers."""
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8, "image_size": 32}
    for model, renamed in (
        (models.DenseNet(4, (2,), 4, num_classes=2), [(r"(norm|conv)([12])\.", r"\1.\2.")]),
        (models.vit_b_16(3, **sizes), [(r"mlp\.0\.", "mlp.linear_1."), (r"mlp\.3\.", "mlp.linear_2.")]),
    ):
        params, state = jax.jit(model.init)(jax.random.key(0))
        tensors = convert.to_torch(model, params, state)
        for new, old in renamed:
            tensors = {re.sub(new, old, name): tensor for name, tensor in tensors.items()}
        assert tensors.keys() != model.declarations().keys()
        convert.write(tmp_path / "old.safetensors", tensors, overwrite=True)
        loaded, _ = convert.load(tmp_path / "old.safetensors", model)
        for name, array in params.items():
            np.testing.assert_array_equal(loaded[name], array)
