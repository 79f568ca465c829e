"""The examples run as for a user, with fewer steps, and learn."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import PIL.Image
import pytest
import safetensors.numpy

from examples import classify_video, optical_flow, scattered_digits
from funcvision import functional as F
from funcvision.vision import io

from .xla_flags import QUICK_COMPILATION

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def run(name: str, folder: pathlib.Path, *arguments: str, xla_flags: str | None = None) -> str:
    """Runs an example as a user would, without the settings of the tests, and returns what it prints.

    `folder` is the working directory and the home directory of the example. `xla_flags` are for large models, which
    take longer to compile than to train for the few steps of a test.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_NUMPY_", "XLA_FLAGS"))}
    environment |= {"HOME": str(folder), "PYTHONPATH": str(EXAMPLES.parent)}
    if xla_flags is not None:
        environment["XLA_FLAGS"] = xla_flags
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
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


def assert_drawn(path: pathlib.Path) -> None:
    with PIL.Image.open(path) as picture:
        assert min(picture.size) > 700
        assert np.asarray(picture.convert("L")).std() > 10


def test_scattered_digits(tmp_path, monkeypatch):
    """What is drawn, and that boxes, masks and labels belong together."""
    monkeypatch.chdir(tmp_path)
    scattered_digits.main()
    with PIL.Image.open(tmp_path / "out" / "scattered.png") as picture:
        assert picture.size == (6 * 130 + 2, 2 * 130 + 2)
    data = scattered_digits.ScatteredDigits(train=False, length=30, size=96)
    for sample, again in zip(data, data, strict=True):
        boxes, masks = sample["boxes"].array, sample["masks"].array
        assert len(boxes) == len(masks) == len(sample["labels"]) > 0
        for box, mask in zip(boxes, masks, strict=True):
            rows, columns = np.nonzero(mask)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_array_equal(sample["image"].array, again["image"].array)
    other = scattered_digits.ScatteredDigits(train=True, length=1, size=96)[0]
    assert (other["image"].array != data[0]["image"].array).any()


def test_train_detector(tmp_path):
    small = ("--images", "64", "--test", "8", "--batch-size", "8", "--epochs", "2", "--max-targets", "8")
    printed = run("train_detector.py", tmp_path, *small)
    assert 0 <= float(re.search(r"mAP@0.5 ([\d.]+)", printed)[1]) < 1
    assert_drawn(tmp_path / "out" / "digits_small.png")


@pytest.mark.slow
def test_train_detector_on_data_in_the_layout_of_coco(tmp_path):
    """With a crowd, an image without objects, categories with gaps between their numbers, and images of two sizes."""
    rng = np.random.default_rng(0)
    (tmp_path / "annotations").mkdir()
    for part, count in (("train", 8), ("val", 4)):
        images, objects = [], []
        (tmp_path / f"{part}2017").mkdir()
        for i in range(1, count + 1):
            height, width = (60, 80) if i % 2 else (80, 50)
            PIL.Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(
                tmp_path / f"{part}2017" / f"{i}.png"
            )
            images.append({"id": i, "file_name": f"{i}.png", "height": height, "width": width})
            for crowd in (0, 1) if i > 1 else ():
                objects.append({
                    "id": len(objects) + 1, "image_id": i, "category_id": (3, 7)[i % 2], "iscrowd": crowd,
                    "bbox": [5 + 20 * crowd, 8, 20, 25], "area": 500, "segmentation": [],
                })
        categories = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
        whole = {"images": images, "annotations": objects, "categories": categories}
        path = tmp_path / "annotations" / f"instances_{part}2017.json"
        path.write_text(json.dumps(whole), encoding="utf-8")
    options = ("--data", "coco", "--root", str(tmp_path), "--epochs", "1", "--batch-size", "4")
    printed = run("train_detector.py", tmp_path, *options, "--freeze", "backbone.conv1.*")
    assert "mAP@0.5" in printed
    assert_drawn(tmp_path / "out" / "coco_small.png")


@pytest.mark.slow
def test_train_segmenter(tmp_path):
    small = ("--images", "64", "--test", "8", "--batch-size", "8", "--epochs", "2", "--size", "64")
    printed = run("train_segmenter.py", tmp_path, *small)
    assert 0 < float(re.search(r"mean IoU ([\d.]+)", printed)[1]) < 1
    assert_drawn(tmp_path / "out" / "digits_small_segmented.png")


def test_eager_digits(tmp_path):
    printed = run("eager_digits.py", tmp_path, "--epochs", "3", "--width", "8")
    assert float(re.search(r"^test accuracy ([\d.]+)%", printed, re.MULTILINE)[1]) > 80
    assert (tmp_path / "out" / "eager_digits.pt").exists()
    assert_drawn(tmp_path / "out" / "eager_digits.png")


def test_eager_words(tmp_path):
    printed = run("eager_words.py", tmp_path, "--epochs", "2", "--sentences", "2500")
    best, reached = (float(re.search(f"{name} ([\\d.]+)", printed)[1]) for name in ("grammar is", "\ntest perplexity"))
    assert best < reached < 2 * best
    assert " sentences are right" in printed
    assert_drawn(tmp_path / "out" / "eager_words.png")


def test_eager_cartpole(tmp_path):
    printed = run("eager_cartpole.py", tmp_path, "--episodes", "20", "--width", "16")
    assert float(re.search(r"episodes ([\d.]+)", printed)[1]) > 10
    assert_drawn(tmp_path / "out" / "eager_cartpole.png")


@pytest.mark.slow
def test_eager_gan(tmp_path):
    printed = run("eager_gan.py", tmp_path, "--epochs", "1", "--width", "8", "--batch-size", "256")
    assert "epoch 1: discriminator" in printed
    assert_drawn(tmp_path / "out" / "eager_gan.png")


@pytest.mark.slow
def test_classify_video(tmp_path):
    small = ("--length", "16", "--test", "8", "--batch-size", "4", "--epochs", "1", "--frames", "4", "--size", "12")
    printed = run("classify_video.py", tmp_path, *small, xla_flags=QUICK_COMPILATION)
    assert 0 <= float(re.search(r"test accuracy ([\d.]+)% of videos", printed)[1]) <= 100
    assert_drawn(tmp_path / "out" / "digits_r3d_18.png")


def test_moving_digits():
    """The middle of the ink moves as the label says, and every clip is the same again."""
    data = classify_video.MovingDigits(False, 24, frames=6, size=24)
    steps = list(classify_video.DIRECTIONS.values())
    labels = set()
    for i in range(len(data)):
        clip, label, number = data[i]
        np.testing.assert_array_equal(clip.array, data[i][0].array)
        labels.add(label)
        ink = np.abs(clip.array.astype(float) - np.median(clip.array, (1, 2), keepdims=True)).sum(-1) ** 2
        middles = [np.array([(one.sum(axis) * np.arange(24)).sum() for axis in (0, 1)]) / one.sum() for one in ink]
        moved = middles[-1] - middles[0]
        assert np.dot(moved, steps[label]) / np.linalg.norm(moved) / np.linalg.norm(steps[label]) > 0.8
        assert number == i
    assert len(labels) == 8


def test_classify_video_on_data_in_the_layout_of_kinetics(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "home"))
    for split, count in (("train", 3), ("val", 2)):
        for label, level in enumerate((40, 200)):
            (tmp_path / split / "ab"[label]).mkdir(parents=True)
            for i in range(count):
                frames = np.full((20, 32, 48, 3), level, np.uint8)
                io.write_video(tmp_path / split / "ab"[label] / f"{i}.mp4", frames, fps=15)
    options = argparse.Namespace(
        data="kinetics", root=str(tmp_path), frames=4, frame_rate=15, size=28, seed=0, clips=2, batch_size=3
    )
    task = classify_video.videos(options)
    assert (task.classes, task.videos, len(task.train), len(task.test)) == (["a", "b"], 4, 2, 3)
    for loader in (task.train, task.test):
        for clips, labels, numbers in loader:
            assert clips.array.shape[1:] == (4, 28, 28, 3)
            np.testing.assert_array_equal(clips.array.mean((1, 2, 3, 4)) > 120, labels)
            assert (numbers // (3 if loader is task.train else 2) == labels).all()


@pytest.mark.slow
def test_optical_flow(tmp_path, monkeypatch):
    small = ("--steps", "2", "--batch-size", "1", "--updates", "2", "--test", "4")
    printed = run("optical_flow.py", tmp_path, *small, xla_flags=QUICK_COMPILATION)
    errors = [float(found) for found in re.findall(r"endpoint error ([\d.]+)", printed)]
    assert len(errors) == 2
    assert_drawn(tmp_path / "out" / "flow.png")
    film = np.random.default_rng(0).integers(0, 256, (3, 90, 134, 3), np.uint8)
    io.write_video(tmp_path / "film.mp4", film, fps=10)
    printed = run(
        "optical_flow.py", tmp_path, "film.mp4", "--weights", "out/raft_small.safetensors", "--updates", "1",
        xla_flags=QUICK_COMPILATION,
    )
    assert printed.startswith("2 flows")
    assert io.VideoReader(tmp_path / "out" / "flow.mp4")[:].shape == (2, 90, 268, 3)

    flow = np.ones((40, 30, 2), np.float32)
    monkeypatch.setattr(optical_flow, "estimator", lambda options: lambda first, second: flow)
    for name in ("one.png", "two.png"):
        PIL.Image.new("RGB", (30, 40)).save(tmp_path / name)
    files = [str(tmp_path / name) for name in ("one.png", "two.png")]
    optical_flow.paint_images(argparse.Namespace(files=files, out=str(tmp_path / "painted")))
    with PIL.Image.open(tmp_path / "painted" / "flow.png") as picture:
        assert picture.size == (90, 40)


def test_drawn_pairs():
    """The second image, taken back along the true flow, is the first wherever nothing covers it."""

    @jax.jit
    def drawn_and_taken_back(key):
        pairs = optical_flow.drawn_pairs(key, 2)
        grid = optical_flow._grid(optical_flow._places()[None] + pairs.flow)
        return pairs, F.grid_sample(pairs.second, grid)

    pairs, back = drawn_and_taken_back(jax.random.key(0))
    error = np.abs(back - pairs.first).max(-1)[:, 16:-16, 16:-16]
    assert np.quantile(error, 0.8) < 0.1 < np.abs(np.subtract(*pairs[:2])).mean()
    assert 1 < np.linalg.norm(pairs.flow, axis=-1).mean() < 10
