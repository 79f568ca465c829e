"""`funcvision classify` against torchvision's preset, model and class names with the same file."""

import argparse

import numpy as np
import PIL.Image
import torch
import torchvision
from torchvision.models._meta import _IMAGENET_CATEGORIES
from torchvision.transforms._presets import ImageClassification

from funcvision import cli
from funcvision.vision import models
from tests.parity.layers import randomise


def test_class_names():
    assert list(models.imagenet_classes()) == list(_IMAGENET_CATEGORIES)


def test_the_top_five(tmp_path, capsys):
    theirs = torchvision.models.resnet18(weights=None).eval()
    randomise(theirs)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 52, 3), np.uint8)
    image = PIL.Image.fromarray(pixels).resize((520, 400))
    image.save(tmp_path / "image.png")
    with torch.no_grad():
        expected, indices = theirs(ImageClassification(crop_size=224)(image)[None]).softmax(1)[0].topk(5)

    arguments = [str(tmp_path / "image.png"), "--model", "resnet18", "--weights", str(tmp_path / "weights.pth")]
    assert cli.main(["classify", *arguments]) == 0
    lines = [line.strip().split("  ", 1) for line in capsys.readouterr().out.splitlines()]
    assert [name for _, name in lines] == [_IMAGENET_CATEGORIES[i] for i in indices]
    shares = [float(share.rstrip("%")) for share, _ in lines]
    np.testing.assert_allclose(shares, 100 * expected.numpy(), atol=0.006)


def test_checkpoints_of_training_programs(tmp_path, capsys):
    """float64 and half weights, counters that are floats, wrapped models, and weights in an entry."""
    theirs = torchvision.models.squeezenet1_1(weights=None, num_classes=7).eval()
    randomise(theirs)
    image = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (250, 260, 3), np.uint8))
    image.save(tmp_path / "image.png")
    with torch.no_grad():
        expected = theirs(ImageClassification(crop_size=224)(image)[None]).softmax(1)[0]
    state = theirs.state_dict()
    other = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    wrapped = {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}
    for content, options, tolerance in (
        ({name: tensor.double() for name, tensor in state.items()}, [], 0.006),
        ({name: tensor.bfloat16() for name, tensor in state.items()}, [], 3.0),
        ({"state_dict": wrapped, "args": argparse.Namespace(lr=np.float64(0.1))}, [], 0.006),
        ({"model": other, "model_ema": wrapped}, ["--entry", "model_ema"], 0.006),
    ):
        torch.save(content, tmp_path / "weights.pth")
        arguments = [str(tmp_path / "image.png"), "--weights", str(tmp_path / "weights.pth"), "--top", "7", *options]
        assert cli.main(["classify", *arguments]) == 0
        lines = [line.strip().split("%  class ") for line in capsys.readouterr().out.splitlines()]
        shares = {int(number): float(share) for share, number in lines}
        np.testing.assert_allclose([shares[i] for i in range(7)], 100 * expected.numpy(), atol=tolerance)
    assert cli.main(["classify", *arguments[:-1], "teacher"]) == 2
    assert "has no entry 'teacher' at its top: there are model, model_ema" in capsys.readouterr().err


def test_a_missing_image_is_one_sentence(tmp_path, capsys):
    torch.save(torchvision.models.resnet18(weights=None, num_classes=2).state_dict(), tmp_path / "weights.pth")
    arguments = [str(tmp_path / "nothing.png"), "--weights", str(tmp_path / "weights.pth")]
    assert cli.main(["classify", *arguments]) == 2
    assert capsys.readouterr().err == f"funcvision: {tmp_path / 'nothing.png'}: No such file or directory\n"
