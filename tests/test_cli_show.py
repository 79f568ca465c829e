"""`funcvision show`: the picture it writes, and the expressions that it reads and refuses."""

import numpy as np
import PIL.Image
import pytest

from funcvision import cli
from funcvision.cli.show import parse_transform
from funcvision.vision import draw, transforms


def show(capsys, *arguments):
    status = cli.main(["show", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_an_image_and_its_augmentations(tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "in.png")
    out = tmp_path / "grid.png"
    expression = "Compose([RandomHorizontalFlip(p=1.0), transforms.CenterCrop((10, 12))])"
    status, printed, error = show(
        capsys, tmp_path / "in.png", "--transform", expression, "--out", out, "--n", 3, "--seed", 7
    )
    assert (status, printed, error) == (0, f"3 augmentations, 98 x 44 pixels -> {out}\n", "")
    with PIL.Image.open(out) as picture:
        grid = np.asarray(picture)
    assert grid.shape == (44, 98, 3)
    np.testing.assert_array_equal(grid[:20, :30], pixels)
    np.testing.assert_array_equal(grid[24:34, :12], pixels[5:15, 9:21][:, ::-1])


def test_a_large_picture_is_made_smaller(tmp_path, capsys):
    PIL.Image.new("L", (600, 300)).save(tmp_path / "in.png")
    out = tmp_path / "grid.png"
    for size, printed in (("1600", "1600 x 535"), ("302", "302 x 101")):
        arguments = (tmp_path / "in.png", "--transform", "Identity()", "--out", out, "--n", 4, "--size", size)
        assert show(capsys, *arguments)[:2] == (0, f"4 augmentations, {printed} pixels -> {out}\n")


def test_the_drawn_sample_and_the_seed(tmp_path, capsys):
    for seed, name in ((0, "a.png"), (0, "b.png"), (1, "c.png")):
        assert show(capsys, "--transform", "RandomAffine(30)", "--out", tmp_path / name, "--seed", seed)[0] == 0
    first, second, third = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first == second != third
    with PIL.Image.open(tmp_path / "a.png") as picture:
        original = np.asarray(picture)[:150, :200]
    np.testing.assert_array_equal(original, draw.sample(draw.example_sample(), classes=draw.EXAMPLE_CLASSES))


def test_expressions():
    crop = parse_transform(" RandomCrop((8, 9), padding=[1, 2], fill=-1.5) ")
    assert isinstance(crop, transforms.RandomCrop)
    assert (crop.size, crop.padding, crop.fill) == ((8, 9), [1, 2], -1.5)
    nested = parse_transform("RandomApply(transforms=[RandomChoice((RandomInvert(), Identity()), p=[1, 2])], p=0.3)")
    assert isinstance(nested, transforms.RandomApply)
    assert nested.p == 0.3
    assert isinstance(nested.transforms[0], transforms.RandomChoice)
    dtypes = parse_transform("ToDtype({'others': None})")
    assert isinstance(dtypes, transforms.ToDtype)
    assert dtypes.dtype == {"others": None}


@pytest.mark.parametrize(("expression", "message"), [
    ("RandomRotation", "calls no transform: write it with its arguments"),
    ("", "is not Python"),
    ("RandomRotation(30", "is not Python"),
    ("RandomRotaton(30)", "RandomRotaton is no transform of funcvision.vision.transforms: did you mean RandomRot"),
    ("__import__('os').system('true')", "__import__('os').system is no transform"),
    ("Compose([print('x')])", "print is no transform"),
    ("functional.resize(3)", "functional.resize is no transform"),
    ("Transform()", "Transform is no transform"),
    ("common_size(3)", "common_size is no transform"),
    ("Resize(size)", "size is not allowed here: an argument is a number"),
    ("Resize(2 ** 99)", "2 ** 99 is not allowed here"),
    ("Resize(*[3])", "*[3] is not allowed here"),
    ("Resize(**{'size': 3})", "**{'size': 3} is not allowed here"),
    ("Lambda(lambda x: x)", "lambda x: x is not allowed here"),
    ("Resize(length=3)", "Resize(length=3): "),
    ("RandomCrop(-3)", "RandomCrop(-3): "),
    ("Compose([])", "Compose([]): Compose needs at least one transform"),
])  # fmt: skip
def test_refused_expressions_are_one_sentence(expression, message, tmp_path, capsys):
    out = tmp_path / "out.png"
    status, printed, error = show(capsys, "--transform", expression, "--out", out)
    assert (status, printed) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_other_mistakes(tmp_path, capsys):
    out = tmp_path / "out.png"
    for arguments, message in (
        (("missing.png", "--transform", "Identity()", "--out", out), "missing.png: No such file or directory"),
        (("--transform", "Identity()", "--out", tmp_path / "out.xyz"), "unknown file extension: .xyz"),
        (("--transform", "Identity()", "--out", out, "--n", 0), "n=0 and nrow=3 must be positive"),
        (("--transform", "Identity()", "--out", out, "--seed", -1), "--seed -1 is negative"),
        (("--transform", "Identity()", "--out", out, "--size", 0), "--size 0"),
        (("--transform", "RandomCrop(1000)", "--out", out), "needs an image of at least (1000, 1000)"),
    ):
        status, printed, error = show(capsys, *arguments)
        assert (status, printed) == (2, "")
        assert message in error


def test_leaves_that_a_transform_refuses_are_left_out(tmp_path, capsys):
    out = tmp_path / "grid.png"
    status, printed, _ = show(capsys, "--transform", "RandAugment()", "--out", out, "--n", 1)
    assert status == 0
    assert printed.startswith("the image is drawn without its boxes, masks and key points: RandAugment may move")
    image = draw.example_sample()["image"].array
    with PIL.Image.open(out) as picture:
        np.testing.assert_array_equal(np.asarray(picture)[: image.shape[0], : image.shape[1]], image)
