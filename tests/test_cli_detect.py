"""`funcvision detect` and `funcvision segment`: JSON, pictures, and errors of one sentence."""

import json

import jax
import numpy as np
import PIL.Image
import pytest

from funcvision import cli
from funcvision.cli._outputs import run_lengths
from funcvision.cli.detect import _objects
from funcvision.vision import convert, draw
from funcvision.vision.datasets._formats import read_segmentation
from funcvision.vision.models import detection, segmentation
from tests.vision.task_models import tiny_detector, tiny_models, tiny_segmenter

pytestmark = pytest.mark.usefixtures("tiny_models")
__all__ = ["tiny_models"]


@pytest.fixture
def folder(tmp_path):
    """Weights of both models, two images and the names of classes."""
    for name, model in (("detector", tiny_detector(3)), ("segmenter", tiny_segmenter(3))):
        convert.save(tmp_path / f"{name}.pth", model, *model.init(jax.random.key(0)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), np.uint8)
    PIL.Image.fromarray(pixels[0]).save(tmp_path / "a.png")
    PIL.Image.fromarray(pixels[1, :30]).save(tmp_path / "b.bmp")
    (tmp_path / "classes.txt").write_text("nothing\ndog\ncat\n", encoding="utf-8")
    return tmp_path


def run(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def test_detect(folder, capsys):
    image, out, file = folder / "a.png", folder / "boxes.png", folder / "found.json"
    status, printed, said = run(
        capsys, "detect", image, "--weights", folder / "detector.pth", "--threshold", 0.2, "--out", out, "--json", file,
        "--classes", folder / "classes.txt",
    )
    assert status == 0, said
    assert said.startswith("tiny_detector, prepared as usual for detection")
    assert said.endswith(f"60 x 40 pixels -> {out}\n")
    [result] = json.loads(printed)
    assert json.loads(file.read_text(encoding="utf-8")) == [result]
    picture = PIL.Image.open(image)
    found = detection.Predictor.load(None, folder / "detector.pth")(picture, threshold=0.2)
    assert (result["image"], result["width"], result["height"]) == (str(image), 60, 40)
    assert len(result["objects"]) == len(found["boxes"]) > 1
    for one, label, score, box in zip(
        result["objects"], found["labels"], found["scores"], found["boxes"], strict=True
    ):
        assert (one["class"], one["name"]) == (label, ["nothing", "dog", "cat"][label])
        assert abs(one["score"] - score) < 1e-4
        np.testing.assert_allclose(one["box"], box, atol=0.01)
    with PIL.Image.open(out) as drawn:
        expected = draw.draw_detections(picture, found, classes=["nothing", "dog", "cat"], threshold=0.2)
        assert np.asarray(drawn).shape == expected.shape == (40, 60, 3)
        assert (np.asarray(drawn) != np.asarray(picture)).any()


def test_masks_and_keypoints_as_json():
    mask = np.zeros((1, 1, 4, 5), np.float32)
    mask[0, 0, 1:3, 2:] = 0.9
    found = {
        "boxes": np.array([[2, 1, 5, 3.126]], np.float32), "labels": np.array([1]), "scores": np.array([0.75]),
        "names": ["person"], "masks": mask, "keypoints": np.array([[[1, 2, 1], [3, 4, 1]]], np.float32),
        "keypoints_scores": np.array([[5.5, -1]], np.float32),
    }
    [one] = json.loads(json.dumps(_objects(found)))
    assert one["box"] == [2.0, 1.0, 5.0, 3.13]
    assert one["keypoints"] == [[1.0, 2.0, 5.5], [3.0, 4.0, -1.0]]
    np.testing.assert_array_equal(read_segmentation(one["mask"], 4, 5), mask[0, 0] > 0.5)


@pytest.mark.parametrize("fill", [0.0, 0.5, 1.0])
def test_run_lengths(fill):
    mask = np.random.default_rng(1).random((7, 9)) < fill
    written = run_lengths(mask)
    assert sum(written["counts"]) == mask.size
    np.testing.assert_array_equal(read_segmentation(written, 7, 9), mask)


def test_segment_two_images(folder, capsys):
    files = [folder / "a.png", folder / "b.bmp"]
    status, printed, said = run(
        capsys, "segment", *files, "--weights", folder / "segmenter.pth", "--out", folder / "drawn", "--json",
        folder / "found.json", "--resize", 16,
    )
    assert status == 0, said
    assert sorted(path.name for path in (folder / "drawn").iterdir()) == ["a.png", "b.png"]
    with_masks = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    predictor = segmentation.Predictor.load(None, folder / "segmenter.pth", preset_options={"resize_size": 16})
    for file, result, full in zip(files, json.loads(printed), with_masks, strict=True):
        numbers = predictor(PIL.Image.open(file))
        assert [one["class"] for one in result["classes"]] == sorted(
            np.unique(numbers).tolist(), key=lambda number: -(numbers == number).sum()
        )
        for one, more in zip(result["classes"], full["classes"], strict=True):
            assert one == {name: value for name, value in more.items() if name != "mask"}
            assert one["name"] == f"class {one['class']}"
            assert abs(one["part"] - (numbers == one["class"]).mean()) < 1e-4
            mask = read_segmentation(more["mask"], result["height"], result["width"])
            np.testing.assert_array_equal(mask, numbers == one["class"])


def test_mistakes_are_one_sentence(folder, capsys):
    image, detector, segmenter = folder / "a.png", folder / "detector.pth", folder / "segmenter.pth"
    (folder / "sub").mkdir()
    PIL.Image.new("RGB", (9, 9)).save(folder / "sub" / "a.jpg")
    for arguments, message in (
        (("detect", image), "'DEFAULT' does not say of which model"),
        (("detect", image, "--model", "resnet18x"), "no model is named 'resnet18x'"),
        (("detect", image, "--model", "tiny_detector", "--weights", "COCO_V9"), "has no published weights 'COCO_V9'"),
        (("detect", image, "--weights", segmenter), "takes models for detection; tiny_segmenter is one for seg"),
        (("segment", image, "--weights", detector), "takes models for segmentation; tiny_detector is one for"),
        (("detect", image, "--weights", folder / "none.pth"), "none.pth: No such file or directory"),
        (("detect", folder / "none.png", "--weights", detector), "none.png: No such file or directory"),
        (("detect", folder / "classes.txt", "--weights", detector), "classes.txt"),
        (("detect", image, "--weights", detector, "--threshold", 1.5), "--threshold 1.5 is no score"),
        (("detect", image, "--weights", detector, "--out", image), "is one of the images, and is not replaced"),
        (("detect", image, "--weights", detector, "--out", folder / "out.xyz"), "unknown file extension: .xyz"),
        (("segment", image, "--weights", segmenter, "--resize", 0), "--resize 0 is no size"),
        (
            ("segment", image, folder / "sub" / "a.jpg", "--weights", segmenter, "--out", folder / "both"),
            "two images would be written to",
        ),
    ):
        status, printed, said = run(capsys, *arguments)
        assert (status, printed) == (2, ""), arguments
        assert message in said
        assert said.splitlines()[-1].startswith("funcvision: ")
        assert "Traceback" not in said
