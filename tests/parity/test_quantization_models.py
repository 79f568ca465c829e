"""torchvision's quantised models, with their files read without torch, against torch with the engine "fbgemm"."""

import warnings

import jax
import numpy as np
import PIL.Image
import pytest
import torch
import torchvision
from torchvision.models import quantization as theirs
from torchvision.models.quantization import mobilenetv3, resnet, shufflenetv2

from funcvision import eager
from funcvision.vision import convert, models
from funcvision.vision.models import quantization as ours
from funcvision.vision.models.mobilenetv2 import STAGES
from funcvision.vision.models.quantization._conversion import finished
from funcvision.vision.models.quantization._fake_quantised import of_integers
from funcvision.vision.models.quantization.mobilenetv3 import large_setting
from funcvision.vision.models.quantization.resnet import QuantizableBasicBlock, QuantizableBottleneck

from . import reference
from .test_fbgemm import engine  # noqa: F401 - a fixture that every test here uses

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

QUANTIZERS = torch.ao.quantization
NAMES = models.list_models("quantization")
SIZE = 32  # pixels


def normalised(net: torch.nn.Module, size: int = SIZE) -> torch.nn.Module:
    """The model with random norms and biases, whose running statistics are those of random images."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
            module.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.randn(4, 3, size, size))
    return net.eval()


def quantised(net: torch.nn.Module, backend: str, size: int = SIZE) -> torch.nn.Module:
    """What torchvision's `quantize_model` makes of it, calibrated with images of this size.

    The images that `assert_same_integers` compares are among them, so that activations are at most about 127: FBGEMM's
    depthwise kernels, for which a sum of two products saturates at 2^15, then give the exact sums.
    """
    weight = {"fbgemm": "default_per_channel_weight_observer", "qnnpack": "default_weight_observer"}[backend]
    net.qconfig = QUANTIZERS.QConfig(activation=QUANTIZERS.default_observer, weight=getattr(QUANTIZERS, weight))
    net.fuse_model(is_qat=False)
    QUANTIZERS.prepare(net, inplace=True)
    with torch.no_grad():
        net(torch.randn(4, 3, size, size))
        net(reference.nchw(_compared(size)))
    return QUANTIZERS.convert(net, inplace=True)


def _compared(size: int) -> np.ndarray:
    return reference.random(3, 3, size, size, 3)


def shapes_of(net: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of all arrays that a quantised model has, by the names under which they are read."""
    found = {}
    for name, value in net.state_dict().items():
        layer, packed, _ = name.rpartition("._packed_params._packed_params")
        parts = {f"{layer}.weight": value[0], f"{layer}.bias": value[1]} if packed else {name: value}
        for part, tensor in parts.items():
            if isinstance(tensor, torch.Tensor):
                found[part] = tuple(tensor.shape)
                if tensor.is_quantized:
                    channels = tensor.qscheme() == torch.per_channel_affine
                    found[f"{part}_scale"] = tuple(tensor.q_per_channel_scales().shape) if channels else ()
    return found


def assert_same_integers(model, params, state, net, *, size: int = SIZE, share: float = 1.0, steps: int = 0):
    """Compares logits, as multiples of their scale, and asks for a share of equal ones and for a largest difference."""
    images = _compared(size)
    with torch.no_grad():
        expected = net(reference.nchw(images)).numpy()
    found = np.asarray(jax.jit(lambda *arrays: model.apply(*arrays)[0])(params, state, images))
    scale = max(float(array) for name, array in state.items() if name == _last_scale(state))
    apart = np.rint(found / scale) - np.rint(expected / scale)
    assert len(np.unique(expected)) > 30, "logits with a few values show little"
    assert np.mean(apart == 0) >= share, f"{np.mean(apart == 0):.5f} are equal; {np.abs(apart).max()} steps apart"
    assert np.abs(apart).max() <= steps


def _last_scale(state) -> str:
    return [name for name in state if name.startswith(("fc.", "classifier.")) and name.endswith(".scale")][-1]


# Small models of each kind of block: torch's, ours, backend

TAIL = slice(9, 13)  # blocks of MobileNetV3 with and without squeeze-and-excitation, and with a sum
NARROW = [[t, c, n, s] for t, c, n, s in STAGES[:3]]


def _mobilenet_v3(quantize=False):
    setting, _ = large_setting(0.25, False, False)
    return finished(ours.QuantizableMobileNetV3(setting[TAIL], 48, 60), quantize, "qnnpack")


def _their_mobilenet_v3():
    setting, _ = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.25)
    net = mobilenetv3.QuantizableMobileNetV3(
        setting[TAIL], 48, 60, block=mobilenetv3.QuantizableInvertedResidual, dropout=0.0
    )
    theirs.utils._replace_relu(net)
    return net


SMALL = {
    "basic blocks": (
        lambda: theirs.utils._replace_relu(net := resnet.QuantizableResNet(
            resnet.QuantizableBasicBlock, [1, 1, 1, 1], num_classes=60)) or net,
        lambda quantize: finished(ours.QuantizableResNet(QuantizableBasicBlock, (1, 1, 1, 1), 60), quantize, "fbgemm"),
        "fbgemm",
    ),
    "bottlenecks of groups": (
        lambda: theirs.utils._replace_relu(net := resnet.QuantizableResNet(
            resnet.QuantizableBottleneck, [1, 1, 1, 1], num_classes=60, groups=8, width_per_group=4)) or net,
        lambda quantize: finished(ours.QuantizableResNet(
            QuantizableBottleneck, (1, 1, 1, 1), 60, groups=8, width_per_group=4), quantize, "fbgemm"),
        "fbgemm",
    ),
    "MobileNetV2": (
        lambda: theirs.mobilenet_v2(num_classes=60, width_mult=0.5, inverted_residual_setting=NARROW, dropout=0.0),
        lambda quantize: ours.mobilenet_v2(
            60, quantize=quantize, width_mult=0.5, inverted_residual_setting=NARROW, dropout=0.0),
        "qnnpack",
    ),
    "MobileNetV3": (_their_mobilenet_v3, _mobilenet_v3, "qnnpack"),
    "ShuffleNetV2": (
        lambda: theirs.utils._replace_relu(net := shufflenetv2.QuantizableShuffleNetV2(
            [2, 2, 1], [16, 24, 32, 48, 64], num_classes=60)) or net,
        lambda quantize: finished(
            ours.QuantizableShuffleNetV2((2, 2, 1), (16, 24, 32, 48, 64), 60), quantize, "fbgemm"),
        "fbgemm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SMALL)
def test_small_models(case, tmp_path):
    """Of floating-point numbers and then of integers, from the file that torch writes, in the older format too."""
    build_theirs, build_ours, backend = SMALL[case]
    torch.manual_seed(len(case))
    size = 96 if case == "ShuffleNetV2" else SIZE  # torch's mean of a map of an even number of pixels rounds otherwise
    net = normalised(build_theirs(), size)
    torch.save(net.state_dict(), path := tmp_path / "float.pth")
    if case in ("MobileNetV2", "ShuffleNetV2"):  # the others' floating-point forward is that of the plain models
        model = build_ours(False)
        arrays = convert.load(path, model)
        images = reference.random(5, 2, size, size, 3)
        with torch.no_grad():
            expected = net(reference.nchw(images))
        reference.assert_close(jax.jit(lambda *of: model.apply(*of)[0])(*arrays, images), expected)

    net = quantised(net, backend, size)
    model = build_ours(True)
    assert {name: one.shape for name, one in model.declarations().items()} == shapes_of(net)
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=backend == "fbgemm")
    assert_same_integers(model, *convert.load(path, model), net, size=size)


def test_registered_models():
    assert sorted(torchvision.models.list_models(module=theirs)) == NAMES
    assert models.get_model("quantized_resnet18", quantize=True).conv1.relu


@pytest.mark.parametrize("name", NAMES)
def test_floating_point_models(name):
    """They have torchvision's names and shapes, and are the plain models with ReLU in place of ReLU6."""
    short = name.removeprefix("quantized_")
    model = models.get_model(name)
    with torch.device("meta"):
        net = getattr(theirs, short)(**{"init_weights": False} if short in ("googlenet", "inception_v3") else {})
    expected = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    assert {key: one.shape for key, one in model.declarations().items()} == expected
    plain = models.get_model(short)
    assert {key: one.shape for key, one in plain.declarations().items()} == expected
    assert "ReLU6" not in repr(model)


@pytest.mark.parametrize("name", NAMES)
def test_published_entries(name):
    enum = torchvision.models.get_model_weights(name)
    assert list(models.weights(name)) == [entry.name for entry in enum]
    for entry in enum:
        found, meta, preset = models.weights(name)[entry.name], entry.meta, entry.transforms()
        assert (found.url, found.default, found.task) == (entry.url, entry is enum.DEFAULT, "quantization")
        assert len(found.sha256) == 8
        assert found.url.endswith(f"{found.sha256}.pth")
        assert (found.mib, found.parameters, found.gflops) == (meta["_file_size"], meta["num_params"], meta["_ops"])
        metrics = {key.replace("@", ""): value for key, value in meta["_metrics"]["ImageNet-1K"].items()}
        assert (found.metrics, list(found.categories)) == (metrics, meta["categories"])
        assert (found.min_size, found.min_size, found.recipe) == (*meta["min_size"], meta["recipe"])
        assert found.preset_options == {
            "crop_size": preset.crop_size[0], "resize_size": preset.resize_size[0],
            "interpolation": preset.interpolation.value, "mean": tuple(preset.mean), "std": tuple(preset.std),
        }  # fmt: skip
        assert found.options["quantize"] is True
        assert found.options["backend"] == meta["backend"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_whole_models(name, tmp_path):
    """Of the registered sizes: names, shapes, and integers of the logits."""
    short = name.removeprefix("quantized_")
    size = 96 if "inception" in name or "shufflenet" in name else 64
    options = {"init_weights": False, "aux_logits": False} if short in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    for backend in ("fbgemm", "qnnpack"):
        net = quantised(normalised(getattr(theirs, short)(**options), size), backend, size)
        torch.save(net.state_dict(), path := tmp_path / "net.pth")
        model, params, state = models.load(name, path)
        assert {key: one.shape for key, one in model.declarations().items()} == shapes_of(net)
        assert_same_integers(model, params, state, net, size=size, share=0.999, steps=1)


# Fake quantisation


def prepared_for_training(net: torch.nn.Module) -> torch.nn.Module:
    """As torchvision builds its quantised MobileNetV3, after some images, so that all observers have seen numbers."""
    net.train().fuse_model(is_qat=True)
    net.qconfig = QUANTIZERS.get_default_qat_qconfig("qnnpack")
    QUANTIZERS.prepare_qat(net, inplace=True)
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(4, 3, SIZE, SIZE))
    return net


@pytest.mark.parametrize("observing", [False, True], ids=["observers off", "observers on"])
def test_weights_of_fake_quantisation(observing, tmp_path):
    """The published weights of MobileNetV3 are those of a model with fake quantisation, which torch then converts."""
    torch.manual_seed(1)
    net = prepared_for_training(normalised(_their_mobilenet_v3()))
    if not observing:
        net.apply(QUANTIZERS.disable_observer)
    torch.save(net.state_dict(), path := tmp_path / "trained.pth")
    net = QUANTIZERS.convert(net).eval()
    torch.save(net.state_dict(), tmp_path / "converted.pth")
    model = _mobilenet_v3(quantize=True)
    found = of_integers(model, convert.read(path), eps=1e-3)
    expected = convert.read(tmp_path / "converted.pth")
    assert found.keys() == model.declarations().keys() == expected.keys()
    for name, array in found.items():
        wanted = expected[name].reshape(array.shape)
        if array.dtype == np.int8:  # the rounding of a norm's factor may move a number to the next integer
            assert np.mean(array == wanted) > 0.999, name
            assert np.abs(array.astype(int) - wanted).max() <= 1, name
        else:
            np.testing.assert_allclose(array, wanted, rtol=1e-6, atol=1e-6, err_msg=name)
    assert all(np.isfinite(array).all() for array in expected.values())


# Files


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """A quantised ResNet-18 of 10 classes, and its file. Its scales are those of no images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = theirs.resnet18(num_classes=10).eval()
        net.fuse_model()
        net.qconfig = QUANTIZERS.QConfig(
            activation=QUANTIZERS.default_observer, weight=QUANTIZERS.default_per_channel_weight_observer
        )
        QUANTIZERS.convert(QUANTIZERS.prepare(net, inplace=True), inplace=True)
        torch.save(net.state_dict(), path := tmp_path_factory.mktemp("resnet18") / "net.pth")
    return net, path


def test_loading_by_name_and_without(resnet18, tmp_path):
    _, path = resnet18
    for name in ("quantized_resnet18", None):
        model, params, state = models.load(name, path)
        assert model.fc.weight.shape == (10, 512)
        assert params["fc.weight"].dtype == np.int8
        assert set(params) == {key for key in params if key.endswith((".weight", ".bias"))}
    saved = tmp_path / "again.safetensors"
    convert.save(saved, model, params, state)
    assert saved.stat().st_size < 0.26 * sum(4 * array.size for array in params.values())
    _, again, _ = models.load(None, saved)
    for key, array in params.items():
        np.testing.assert_array_equal(again[key], array)
    with pytest.raises(ValueError, match="is for inference: train the floating-point model"):
        model.apply(params, state, np.ones((1, SIZE, SIZE, 3), np.float32), train=True)
    plain = models.get_model("resnet18")
    convert.save(tmp_path / "plain.pth", plain, *plain.init(jax.random.key(0)))
    assert type(models.load(None, tmp_path / "plain.pth")[0]) is models.ResNet
    with pytest.raises(ValueError, match=r"backend='x86' is unknown; it can be 'fbgemm' or 'qnnpack'"):
        ours.resnet18(backend="x86")


@pytest.mark.slow
def test_mobilenet_v2_with_real_weights(shared_data, tmp_path):
    """With the published weights, quantised for photos, and other photos than those of the calibration."""
    files = sorted((shared_data / "imagenet-samples").rglob("*.[jJ]*"))
    preset = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    photos = torch.stack([preset(PIL.Image.open(file).convert("RGB")) for file in files[:48]])
    net = theirs.mobilenet_v2().eval()
    net.load_state_dict(torch.load(shared_data / "weights" / "mobilenet_v2-b0353104.pth", weights_only=True))
    weight = QUANTIZERS.default_per_channel_weight_observer
    net.qconfig = QUANTIZERS.QConfig(activation=QUANTIZERS.default_observer, weight=weight)
    net.fuse_model(is_qat=False)
    QUANTIZERS.prepare(net, inplace=True)
    with torch.no_grad():
        net(photos[:32])
        QUANTIZERS.convert(net, inplace=True)
        expected = net(photos[32:]).numpy()
    torch.save(net.state_dict(), path := tmp_path / "net.pth")
    model, params, state = models.load("quantized_mobilenet_v2", path)
    images = reference.nhwc(photos[32:])
    found = np.asarray(jax.jit(lambda *arrays: model.apply(*arrays)[0])(params, state, images))
    apart = np.abs(np.rint((found - expected) / float(state[_last_scale(state)])))
    print(f"equal {np.mean(apart == 0):.5f}, within one step {np.mean(apart <= 1):.5f}, largest {apart.max():.0f}")
    assert np.mean(apart <= 1) > 0.999
    assert np.array_equal(found.argmax(-1), expected.argmax(-1))


def test_predictor(resnet18):
    predictor = models.Predictor.load("quantized_resnet18", resnet18[1], preset_options={"crop_size": SIZE})
    answers = predictor(PIL.Image.new("RGB", (40, 50), "red"), top=3)
    assert len(answers) == 3
    assert sum(share for _, share in answers) <= 1.001


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_quantised_tensors(zipped, tmp_path):
    numbers = torch.randn(6, 4)
    scales, zeros = torch.rand(6, dtype=torch.float64) / 20 + 0.01, torch.zeros(6, dtype=torch.int64)
    tensors = {
        "one": torch.quantize_per_tensor(numbers, 0.05, 0, torch.qint8),
        "shifted": torch.quantize_per_tensor(numbers, 0.05, 120, torch.quint8),
        "wide": torch.quantize_per_tensor(numbers, 0.001, 0, torch.qint32),
        "channels": torch.quantize_per_channel(numbers, scales, zeros, 0, torch.qint8),
        "transposed": torch.quantize_per_tensor(numbers, 0.05, 0, torch.qint8).t(),
        "plain": numbers,
    }
    content = {**tensors, "fc._packed_params.weight": tensors["one"], "fc._packed_params.bias": numbers[0]}
    content |= {"fc._packed_params.dtype": torch.qint8, "head._packed_params._packed_params": (tensors["one"], None)}
    torch.save(content, path := tmp_path / "tensors.pth", _use_new_zipfile_serialization=zipped)
    found = convert.read_torch(path)
    assert set(found) == {
        "plain", "fc.bias", "shifted_zero_point",
        *(f"{name}{end}" for name in {*tensors, "fc.weight", "head.weight"} - {"plain"} for end in ("", "_scale")),
    }
    for name, tensor in tensors.items():
        if name != "plain":
            np.testing.assert_array_equal(found[name], tensor.int_repr())
            scale = tensor.q_per_channel_scales() if name == "channels" else tensor.q_scale()
            np.testing.assert_array_equal(found[f"{name}_scale"], np.asarray(scale, np.float32))
    assert found["shifted_zero_point"] == 120
    np.testing.assert_array_equal(found["head.weight"], found["one"])
    with pytest.raises(Exception, match="quantised tensor, which has no counterpart here"):
        eager.load(path)


def test_quantised_tensors_that_are_refused(tmp_path):
    path = tmp_path / "tensors.pth"
    scales, zeros = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.int64)
    tensor = torch.quantize_per_channel(torch.randn(6, 4), scales, zeros, 1, torch.qint8)
    torch.save({"w": tensor}, path)
    with pytest.raises(ValueError, match="'w' with scales for the indices of axis 1, not 0"):
        convert.read_torch(path)
