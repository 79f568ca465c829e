"""`funcvision classify` against torchvision's preset, model and class names with the same file."""

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


def test_a_missing_image_is_one_sentence(tmp_path, capsys):
    torch.save(torchvision.models.resnet18(weights=None, num_classes=2).state_dict(), tmp_path / "weights.pth")
    arguments = [str(tmp_path / "nothing.png"), "--weights", str(tmp_path / "weights.pth")]
    assert cli.main(["classify", *arguments]) == 2
    assert capsys.readouterr().err == f"funcvision: {tmp_path / 'nothing.png'}: No such file or directory\n"
