"""The examples run as for a user, with fewer steps, and learn."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import PIL.Image
import safetensors.numpy

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def run(name: str, folder: pathlib.Path, *arguments: str) -> str:
    """Runs an example as a user would, without the settings of the tests, and returns what it prints.

    `folder` is the working directory and the home directory of the example.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_NUMPY_", "XLA_FLAGS"))}
    environment |= {"HOME": str(folder), "PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_train_digits(tmp_path):
    printed = run("train_digits.py", tmp_path, "--epochs", "4", "--width", "8")
    assert float(re.search(r"test accuracy ([\d.]+)%", printed)[1]) > 80
    with PIL.Image.open(tmp_path / "out" / "digits.png") as picture:
        assert min(picture.size) > 800
        assert np.asarray(picture.convert("L")).std() > 10


def make_photos(folder: pathlib.Path, count: int) -> None:
    """Writes images of two classes, dark and light."""
    rng = np.random.default_rng(0)
    for level, name in ((30, "dark"), (220, "light")):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(level - 20, level + 20, (40, 36, 3), np.uint8)
            PIL.Image.fromarray(pixels).save(folder / name / f"{i}.png")


def test_train_digits_on_a_folder_with_a_model_of_the_zoo(tmp_path):
    make_photos(tmp_path / "train", 8)
    make_photos(tmp_path / "test", 3)
    printed = run(
        "train_digits.py", tmp_path, "--data", "folder", "--root", str(tmp_path), "--model", "squeezenet1_1",
        "--epochs", "2", "--batch-size", "8", "--lr", "0.01",
    )
    assert "test accuracy" in printed
    assert (tmp_path / "out" / "folder.png").exists()


def test_quickstart(tmp_path):
    printed = run("quickstart.py", tmp_path, "--epochs", "3")
    assert float(re.findall(r"accuracy ([\d.]+)%", printed)[-1]) > 80
    assert "Predicted:" in printed
    assert (tmp_path / "model.pth").exists()


def test_finetune(tmp_path):
    """Trains from random weights, then goes on from the file that this wrote, with some layers frozen."""
    make_photos(tmp_path / "photos", 15)
    (tmp_path / "photos" / "light").rename(tmp_path / "photos" / "Äpfel")
    shared = ("photos", "--model", "squeezenet1_1", "--size", "32", "--batch-size", "8", "--lr", "0.02")
    first = run("finetune.py", tmp_path, *shared, "--weights", "none", "--epochs", "8")
    assert "723,522 parameters are trained" in first
    before = safetensors.numpy.load_file(tmp_path / "out/finetuned.safetensors")
    printed = run(
        "finetune.py", tmp_path, *shared, "--weights", "out/finetuned.safetensors", "--epochs", "1",
        "--freeze", "features.*",
    )
    assert float(re.search(r"test accuracy ([\d.]+)%", printed)[1]) > 80
    after = safetensors.numpy.load_file(tmp_path / "out/finetuned.safetensors")
    changed = {name for name in after if (after[name] != before[name]).any()}
    assert changed == {"classifier.1.weight", "classifier.1.bias"}
    assert (tmp_path / "out/classes.txt").read_text(encoding="utf-8") == "dark\nÄpfel\n"
    with PIL.Image.open(tmp_path / "out/finetuned.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10
