"""Mistakes in `export.save_onnx` are one sentence. These tests need no package of the extra."""

import sys

import jax
import numpy as np
import pytest

from funcvision import cli, export, nn
from funcvision.vision import convert, models

MODEL, IMAGES = nn.Linear(3, 2), {"image_size": (4, 4)}
PARAMS = {"weight": np.zeros((3, 2), np.float32), "bias": np.zeros(2, np.float32)}


@pytest.mark.parametrize(("options", "message"), [
    ({}, "give either image_size"),
    ({"image_size": (4, 4), "prepare_from": (4, 4)}, "give either image_size"),
    ({"image_size": "symbolic"}, "for one size of images"),
    ({"image_size": (4, 0)}, "for one size of images"),
    ({"prepare_from": (4, 4)}, "give the preset"),
    ({**IMAGES, "batch": [1, 2]}, "batch is a number"),
    ({**IMAGES, "layout": "CHWN"}, "layout is one of NCHW, NHWC"),
    ({**IMAGES, "opset": 13}, "opset=13 is too old"),
    ({**IMAGES, "state": PARAMS}, "'bias' is in params and in state"),
])
def test_options(options, message, tmp_path):
    path, state = tmp_path / "model.onnx", options.pop("state", {})
    with pytest.raises(ValueError, match=message):
        export.save_onnx(path, MODEL, PARAMS, state, **options)
    assert not path.exists()


def test_a_file_that_exists(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export.save_onnx(path, MODEL, PARAMS, {}, **IMAGES)
    assert path.read_bytes() == b"precious"


def test_the_extra_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    monkeypatch.setitem(sys.modules, "jax2onnx.plugins", None)
    with pytest.raises(ImportError, match=r'pip install "funcvision\[onnx\]"'):
        export.save_onnx(tmp_path / "model.onnx", MODEL, PARAMS, {}, **IMAGES)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--dtype", "bfloat16"], "an ONNX file is float32"),
    (["--image-size", "symbolic"], "for one size of images"),
    (["--image-size", "64,96"], "for one size of images"),
])
def test_the_command(arguments, message, tmp_path, capsys):
    checkpoint, model = tmp_path / "squeezenet.safetensors", models.squeezenet1_1(num_classes=2)
    params, state = jax.eval_shape(model.init, jax.random.key(0))
    zeros = [{name: np.zeros(x.shape, x.dtype) for name, x in part.items()} for part in (params, state)]
    convert.save(checkpoint, model, *zeros)
    assert cli.main(["export", str(checkpoint), "--out", str(tmp_path / "model.onnx"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
