"""`funcvision export`, `funcvision bench`, and `funcvision classify` with an exported file."""

import jax
import numpy as np
import PIL.Image
import pytest

from funcvision import cli, export
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


def test_mistakes_are_one_sentence(checkpoint, tmp_path, capsys):
    out = str(tmp_path / "s.fv")
    for arguments, message in [
        (["--image-size", "big"], "HEIGHTxWIDTH"),
        (["--with-preparation", "8x8", "--image-size", "8"], "leave out --image-size"),
        (["--weights", "IMAGENET1K_V1"], "a file of weights alone"),
    ]:
        assert cli.main(["export", str(checkpoint), "--out", out, *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
