"""`funcvision export`, `funcvision bench`, and `funcvision classify` with an exported file."""

import jax
import numpy as np
import PIL.Image
import pytest

from funcvision import cli, export
from funcvision.train.outputs import write_result
from funcvision.train.preparation import Preparation
from funcvision.train.recipe import find_recipe
from funcvision.vision import convert, models


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    model = models.squeezenet1_1(num_classes=3)
    path = tmp_path_factory.mktemp("checkpoint") / "squeezenet.pth"
    convert.save(path, model, *jax.jit(model.init)(jax.random.key(0)))
    return path


def test_export_bench_classify(checkpoint, tmp_path, capsys):
    """An image gets the same classes from the exported file as from the checkpoint."""
    out, image = tmp_path / "s.fv", tmp_path / "image.png"
    names = tmp_path / "names.txt"
    names.write_text("robin\nwren\ntit\n", encoding="utf-8")
    rng = np.random.default_rng(0)
    PIL.Image.fromarray(rng.integers(0, 256, (230, 240, 3), np.uint8)).save(image)
    arguments = ["export", str(checkpoint), "--out", str(out), "--classes", str(names), "--batch", "1"]
    assert cli.main(arguments) == 0
    assert "MiB of programs" in capsys.readouterr().out
    assert cli.main(arguments) == 2
    assert "exists: pass overwrite=True (--force" in capsys.readouterr().err
    assert export.load(out, inspect_programs=False).programs[0]["inputs"]["leaves"][0]["shape"] == [1, 224, 224, 3]
    assert cli.main(["classify", str(image), "--weights", str(out)]) == 0
    answers = capsys.readouterr().out
    assert cli.main(["classify", str(image), "--weights", str(checkpoint), "--classes", str(names)]) == 0
    assert capsys.readouterr().out == answers
    assert cli.main(["bench", str(out), "--batch-sizes", "1", "--seconds", "0.01"]) == 0
    assert "images/s" in capsys.readouterr().out
    assert cli.main(["bench", str(out), "--batch-sizes", "2"]) == 2
    assert "takes batches of 1" in capsys.readouterr().err
    assert cli.main(["bench", str(out), "--seconds", "0.01"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[3:]] == ["1"]
    assert cli.main(["bench", str(out), "--batch-sizes", "1,many"]) == 2
    assert "are numbers of images, such as 1,8,32" in capsys.readouterr().err


def test_mistakes_are_one_sentence(checkpoint, tmp_path, capsys):
    out = str(tmp_path / "s.fv")
    for arguments, message in [
        (["--image-size", "big"], "HEIGHTxWIDTH"),
        (["--with-preparation", "8x8", "--image-size", "8"], "leave out --image-size"),
        (["--weights", "IMAGENET1K_V1"], "a file of weights alone"),
        (["--batch", "1,x"], "--batch takes numbers of images above 0 and symbolic"),
        (["--batch", "0"], "got '0'"),
        (["--platforms", "cpu,gpu"], "platforms are some of cpu, cuda, rocm, tpu; got ['cpu', 'gpu']"),
    ]:
        assert cli.main(["export", str(checkpoint), "--out", out, *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_the_folder_of_a_run(tmp_path, capsys):
    """Model, classes and preparation are those of the run, here of images with one channel."""
    recipe, preparation = find_recipe("digits")(), Preparation((0.5,), (0.25,), 12, 8, "bilinear")
    run, out, picture = tmp_path / "run", tmp_path / "digits.fv", tmp_path / "image.png"
    write_result(run, "digits", recipe, tuple("zyxwvutsrq"), preparation, steps_per_epoch=1)
    model = recipe.build_model(10, 1)
    convert.save(run / "model.safetensors", model, *jax.jit(model.init)(jax.random.key(0)))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(picture)
    assert cli.main(["export", str(run), "--out", str(out), "--batch", "1", "--platforms", "cpu"]) == 0
    assert capsys.readouterr().out.startswith("small_resnet: ")
    loaded = export.load(out)
    assert (loaded.task, loaded.categories) == ("classification", tuple("zyxwvutsrq"))
    assert loaded.programs[0]["inputs"]["leaves"][0]["shape"] == [1, 8, 8, 1]
    assert cli.main(["classify", str(picture), "--weights", str(out), "--top", "3"]) == 0
    answers = capsys.readouterr().out
    assert cli.main(["classify", str(picture), "--weights", str(run), "--top", "3"]) == 0
    assert capsys.readouterr().out == answers
    exporting, classifying = ["export", str(run), "--out", str(out)], ["classify", str(picture), "--weights", str(run)]
    for arguments, message in [
        ([*exporting, "--weights", "x.pth"], "leave out --weights"),
        ([*exporting, "--entry", "y"], "model_ema only"),
        ([*classifying, "--entry", "y"], "model_ema only"),
        ([*classifying, "--model", "resnet18"], "leave out --model"),
        (["bench", str(run)], "is a folder, and bench measures exported files"),
        (["bench", str(out), "--image-size", "0"], "--image-size 0 must be 1 or more"),
        (["export", str(tmp_path), "--out", str(out)], "without result.json, so it is no run"),
        (["evaluate", str(out), "--data", "digits"], "is an exported file"),
    ]:
        assert cli.main(arguments) == 2
        assert message in capsys.readouterr().err
