"""`funcvision train`, `funcvision evaluate` and `funcvision classify` on its results."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import optax
import PIL.Image
import pytest
from safetensors.numpy import load_file

from funcvision import cli
from funcvision.train.outputs import draw_curves, load_run
from funcvision.vision import convert, models

from .test_recipes import folder

FEW = ("model=small_resnet_narrow", "batch-size=256", "epochs=2", "lr-warmup-epochs=1", "workers=0")


def run(capsys, *arguments):
    """Runs the command; returns its exit status, stdout and stderr."""
    status = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short run with an average."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    assert cli.main(["train", "digits", "--out", str(out), *FEW, "--model-ema", "model_ema_steps=1"]) == 0
    return out


def test_what_a_run_leaves(trained):
    result = json.loads((trained / "result.json").read_text(encoding="utf-8"))
    assert (result["finished"], result["step"], result["recipe"], result["steps_per_epoch"]) == (True, 10, "digits", 5)
    assert result["options"]["batch_size"] == 256
    assert result["versions"]["jax"]
    assert 0 <= result["val_accuracy"] <= 1
    with PIL.Image.open(trained / "curves.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10
    lines = (trained / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10]
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {"5", "10"}
    weights, average = (load_file(trained / f"{name}.safetensors") for name in ("model", "model_ema"))
    assert weights.keys() == average.keys()
    assert weights["conv1.weight"].shape == (8, 1, 3, 3)


def test_evaluate_takes_the_run_and_its_parts(trained, capsys):
    """The figures of the average are those of the last evaluation; those of each form of the run are the same."""
    result = json.loads((trained / "result.json").read_text(encoding="utf-8"))
    status, out, _ = run(capsys, "evaluate", trained, "--ema", "--data", "digits")
    assert status == 0
    assert json.loads(out)["accuracy"] == pytest.approx(result["val_accuracy"], abs=1e-6)
    assert json.loads(out)["loss"] == pytest.approx(result["val_loss"], rel=1e-4)
    plain = json.loads(run(capsys, "evaluate", trained)[1])
    for part in ("model.safetensors", "checkpoints/10", "checkpoints"):
        assert json.loads(run(capsys, "evaluate", trained / part)[1]) == pytest.approx(plain, rel=1e-4)
    average = json.loads(run(capsys, "evaluate", trained / "model_ema.safetensors")[1])
    assert average == pytest.approx(json.loads(out), rel=1e-4)


def test_classify_takes_the_run(trained, tmp_path, capsys):
    image = tmp_path / "digit.png"
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20), np.uint8)).save(image)
    status, out, _ = run(capsys, "classify", image, "--weights", trained, "--top", "3")
    assert status == 0
    assert len(out.splitlines()) == 3
    assert run(capsys, "classify", image, "--weights", trained / "model_ema.safetensors")[0] == 0


def test_the_same_command_continues(trained, capsys):
    status, *_ = run(capsys, "train", "digits", "--out", trained, *FEW, "--model-ema", "model_ema_steps=1")
    assert status == 0
    lines = (trained / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12  # nothing was trained again


def test_a_run_that_cannot_continue_keeps_its_results(trained, tmp_path, capsys):
    before = (trained / "result.json").read_bytes()
    for options, message in (
        (FEW, "is of another model"),  # without the average
        ((*FEW, "--model-ema", "batch-size=128"), "5 steps in an epoch, and this loader has 11"),
    ):
        status, _, err = run(capsys, "train", "digits", "--out", trained, *options)
        assert status == 2
        assert message in err
        assert (trained / "result.json").read_bytes() == before
    place = ("--out", tmp_path / "x", "--resume", trained / "checkpoints/3")
    status, _, err = run(capsys, "train", "digits", *place, *FEW, "--model-ema")
    assert (status, "has no checkpoint 3: there are 5, 10" in err) == (2, True)
    assert not (tmp_path / "x").exists()


def test_test_only_evaluates_the_checkpoint(trained, tmp_path, capsys):
    result = json.loads((trained / "result.json").read_text(encoding="utf-8"))
    for place in (("--out", trained), ("--out", tmp_path / "x", "--resume", trained)):
        status, out, _ = run(capsys, "train", "digits", *place, *FEW, "--model-ema", "model_ema_steps=1", "--test-only")
        assert status == 0
        assert f"accuracy {result['val_accuracy']:.4g}" in out
    assert not (tmp_path / "x").exists()


def test_a_damaged_result_is_named(trained, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for text in ("{", "{}", (trained / "result.json").read_text(encoding="utf-8").replace("256", '"many"')):
        (tmp_path / "result.json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"result\.json is damaged"):
            load_run(tmp_path)


def test_classes_of_another_data_set(trained, tmp_path, capsys):
    result = json.loads((trained / "result.json").read_text(encoding="utf-8"))
    shutil.copy(trained / "model.safetensors", tmp_path)
    for classes, expected, message in (
        (list("1023456789"), 2, "in another order"),
        ([*"012345678", "nine"], 0, "1 classes have other names in the data set than in the run, such as '9'"),
    ):
        (tmp_path / "result.json").write_text(json.dumps(result | {"classes": classes}), encoding="utf-8")
        status, _, err = run(capsys, "evaluate", tmp_path)
        assert (status, message in err) == (expected, True)
    checkpoint = tmp_path / "squeezenet.safetensors"
    model = models.squeezenet1_1(num_classes=3)
    convert.save(checkpoint, model, *jax.jit(model.init)(jax.random.key(0)))
    status, _, err = run(capsys, "evaluate", checkpoint, "--data", "fakedata")
    assert (status, "has 3 classes, and the data set has 10" in err) == (2, True)


@pytest.mark.parametrize("losses", [(0.0, 0.0), (1.0, 0.9), (None, 0.0), (2.0, 0.01)])
def test_curves_of_any_losses(tmp_path, losses):
    """A logarithmic axis needs values above 0, and without several of its ticks it has no labels."""
    rows = [{"step": step, "loss": loss, "accuracy": 1.0} for step, loss in enumerate(losses, 1)]
    rows.append({"step": 2, "val_loss": 0.0, "val_accuracy": 1.0, "images_per_second": 1.0})
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert draw_curves(tmp_path, optax.constant_schedule(0.1)) == tmp_path / "curves.png"


def test_mistakes(trained, capsys):
    for arguments, message in (
        (["train", "digit"], "there is no recipe 'digit': did you mean digits?"),
        (["train"], "give the name of a recipe"),
        (["train", "digits", "--batchsize", "3"], "there is no option 'batchsize': did you mean batch-size?"),
        (["train", "digits", "--out", trained, "--resume", "none"], "holds the checkpoints of a run"),
        (["train", "digits", "model=resnet19"], "resnet19"),
        (["train", "digits", "batch-size=9998"], "is more than the 1438 training images"),
        (["train", "digits", "epochs=1", "lr-warmup-epochs=2"], "must be more than lr-warmup-epochs"),
        (["train", "digits", "--coordinator", "localhost:1"], "belong together"),
        (["evaluate", trained / "curves.png"], "is no run"),
        (["evaluate", trained / "nowhere"], "there is no file or folder"),
        (["evaluate", trained.parent, "--data", "digits"], "without result.json, so it is no run"),
        (["evaluate", trained, "--data", "fakedata", "--batch-size", "0"], "must be 1 or more"),
    ):
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, ""), arguments
        assert message in err
        assert err.startswith("funcvision: ")
        assert err.count("\n") == 1


def test_list_and_show(capsys):
    assert "\ndigits " in run(capsys, "train", "--list")[1]
    shown = run(capsys, "train", "imagenet_resnet50", "--show", "--lr", "0.25")[1]
    assert "lr=0.25 " in shown
    assert "model=resnet50 " in shown


def test_another_run_continues_from_a_path(trained, tmp_path, capsys):
    arguments = ("train", "digits", "--out", tmp_path / "more", *FEW, "--model-ema", "model_ema_steps=1", "--resume")
    assert run(capsys, *arguments, trained / "checkpoints" / "5")[0] == 0
    lines = (tmp_path / "more" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [6, 7, 8, 9, 10, 10]
    assert (tmp_path / "more/model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_finetune_with_split_parameters(tmp_path, capsys):
    """On images of a folder, with weights of a file, everything switched on."""
    spec = folder(tmp_path / "photos", 8)
    shared = ("--data", spec, "model=squeezenet1_1", "batch-size=8", "train-crop-size=32", "val-crop-size=32",
              "val-resize-size=36", "workers=0", "epochs=1", "lr-warmup-epochs=0", "shard=params")
    first, second = tmp_path / "first.safetensors", tmp_path / "second"
    model = models.squeezenet1_1(num_classes=2)
    convert.save(first, model, *jax.jit(model.init)(jax.random.key(0)))
    status, _, err = run(
        capsys, "train", "finetune", "--out", second, *shared, f"weights={first}",
        "freeze=features.*", "mixup-alpha=0.2", "cutmix-alpha=1", "random-erase=0.5", "auto-augment=ta_wide",
        "remat=true", "bce=true", "clip-grad-norm=1", "layer-decay=0.9", "accumulate=2", "ra-sampler=true", "amp=true",
    )
    assert status == 0, err
    before, after = (load_file(path) for path in (first, second / "model.safetensors"))
    assert {name for name in after if (after[name] != before[name]).any()} == {
        "classifier.1.weight", "classifier.1.bias"
    }


def test_sigterm_saves_and_the_status_is_0(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "funcvision", "train", "digits", "--out", str(out), *FEW, "epochs=100000"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_NUMPY_")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        log, deadline = out / "metrics.jsonl", time.monotonic() + 120
        while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        printed, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    step = int(printed.split()[3].rstrip(";"))
    assert (out / "checkpoints" / str(step)).is_dir()
    assert not json.loads((out / "result.json").read_text(encoding="utf-8"))["finished"]
