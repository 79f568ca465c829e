"""Recipes in files of one's own: they are programs, which run only if the user names them."""

import json
import pathlib
import shutil
import sys

import numpy as np
import PIL.Image
import pytest

from funcvision import cli
from funcvision.train.options import OptionError
from funcvision.train.outputs import load_run
from funcvision.train.recipe import find_recipe

TINY = pathlib.Path(__file__).with_name("tiny_recipe.py")


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Runs the command; returns its exit status, stdout and stderr."""
    status = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a copy of the recipe, and a run of it."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(TINY, folder / "mine_of_the_test.py")
    arguments = ("train", folder / "mine_of_the_test.py", "--out", folder / "run")
    assert cli.main([str(argument) for argument in arguments]) == 0
    return folder


def test_evaluate_and_classify_take_the_recipe(place, capsys):
    result = json.loads((place / "run/result.json").read_text(encoding="utf-8"))
    assert (result["recipe"], result["recipe_file"]) == ("mine_of_the_test", str(place / "mine_of_the_test.py"))
    for part in ("", "model_ema.safetensors", "checkpoints"):
        arguments = "evaluate", place / "run" / part, "--ema", "--recipe", place / "mine_of_the_test.py"
        status, out, _ = run(capsys, *arguments)
        assert status == 0
        assert json.loads(out)["accuracy"] == pytest.approx(result["val_accuracy"], abs=1e-6)
    image = place / "digit.png"
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)).save(image)
    arguments = "classify", image, "--weights", place / "run", "--recipe", place / "mine_of_the_test.py"
    assert len(run(capsys, *arguments)[1].splitlines()) == 5


def test_the_options_of_a_recipe_in_a_file(capsys):
    status, out, _ = run(capsys, "train", TINY, "--show", "lr=0.25")
    assert status == 0
    assert "batch-size=256 " in out
    assert "lr=0.25 " in out


def test_a_recipe_in_a_file_runs_only_if_the_user_names_it(place, tmp_path, capsys):
    moved = tmp_path / "run"
    shutil.copytree(place / "run", moved)
    text = (moved / "result.json").read_text(encoding="utf-8")

    def name(file):
        changed = json.loads(text) | {"recipe": None, "recipe_file": file}
        (moved / "result.json").write_text(json.dumps(changed), encoding="utf-8")

    evil = moved / "evil_of_the_test.py"
    evil.write_text("raise SystemExit('this file was executed')\n", encoding="utf-8")
    for file, message in ((str(evil), str(evil)), (str(TINY), str(TINY)), (None, "is in no file")):
        name(file)
        status, out, err = run(capsys, "evaluate", moved)
        assert (status, out) == (2, "")
        assert message in err
        assert "--recipe FILE" in err
        assert err.count("\n") == 1
    status, out, _ = run(capsys, "evaluate", moved, "--ema", "--recipe", TINY)
    assert status == 0
    assert load_run(moved, recipe=find_recipe(str(TINY))).params["1.weight"].shape == (64, 256)
    assert run(capsys, "classify", place / "digit.png", "--weights", moved, "--recipe", TINY)[0] == 0


def test_files_that_are_no_recipes(tmp_path):
    (tmp_path / "empty_of_the_test.py").touch()
    (tmp_path / "json.py").touch()
    for file, message in (
        ("missing.py", "does not exist"), ("empty_of_the_test.py", "needs a class Recipe"),
        ("json.py", "has the name of another module"),
    ):
        with pytest.raises(OptionError, match=message):
            find_recipe(str(tmp_path / file))
    assert str(tmp_path) not in sys.path[:-1]  # or processes that start later would import this json.py
