"""How options are read from text, and which mistakes are told."""

import dataclasses
import re

import pytest

from funcvision.cli import train as command
from funcvision.train.options import OptionError, Options, as_dict, from_dict, meaning, parse, shown
from funcvision.train.recipe import Recipe, find_recipe, list_recipes


def test_all_forms_of_an_option_are_one():
    forms = (["--batch-size", "64"], ["--batch-size=64"], ["--batch_size", "64"], ["batch-size=64"], ["batch_size=64"])
    for form in forms:
        assert command.arranged(["digits", *form])[1].replace("_", "-") == "batch-size=64"
        assert parse(Options, command.arranged(form)).batch_size == 64


def test_forms_may_be_mixed():
    arguments = ["digits", "--data", "folder:a=b", "lr=0.5", "--amp", "--show", "--model-ema", "epochs=3"]
    assert command.arranged(arguments) == [
        "--show", "digits", "data=folder:a=b", "lr=0.5", "amp=true", "model-ema=true", "epochs=3"
    ]


def test_the_recipe_may_follow_options():
    assert command.arranged(["--epochs", "2", "lr=1", "digits", "--amp"]) == ["digits", "epochs=2", "lr=1", "amp=true"]


def test_values():
    found = parse(Options, ["lr=1e-3", "epochs=2", "amp=yes", "clip_grad_norm=1", "norm-weight-decay=none", "out=a=b"])
    assert (found.lr, found.epochs, found.amp, found.clip_grad_norm, found.norm_weight_decay, found.out) == (
        1e-3, 2, True, 1.0, None, "a=b"
    )
    assert parse(Options, ["lr=1", "lr=2"]).lr == 2


@pytest.mark.parametrize(("text", "message"), [
    ("batchsize=64", "there is no option 'batchsize': did you mean batch-size?"),
    ("weight-deca=1", "there is no option 'weight-deca': did you mean weight-decay"),
    ("qqq=1", "there is no option 'qqq': --show lists the options"),
    ("epochs=2.5", "epochs='2.5' must be a whole number"),
    ("lr=fast", "lr='fast' must be a number"),
    ("clip-grad-norm=x", "clip-grad-norm='x' must be a number"),
    ("amp=maybe", "amp='maybe' must be true or false"),
    ("opt=adam", "opt='adam' must be one of sgd, .*; did you mean adamw?"),
    ("on_nan=skipp", "on_nan='skipp' must be one of raise, skip; did you mean skip?"),
    ("batch-size=0", "batch-size=0 must be at least 1"),
    ("label-smoothing=2", "label-smoothing=2.0 must be at most 1"),
    ("lr=nan", "lr=nan must be at least 0"),
    ("lr=inf", "lr=inf must be a finite number"),
    ("clip-grad-norm=0", "clip-grad-norm=0.0 must be above 0"),
    ("layer-decay=2", "layer-decay=2.0 must be at most 1"),
    ("momentum=-1", "momentum=-1.0 must be at least 0"),
    ("bias-weight-decay=-1", "bias-weight-decay=-1.0 must be at least 0"),
    ("random-crop-padding=-1", "random-crop-padding=-1 must be at least 0"),
    ("epochs", "epochs has no value: write epochs=VALUE"),
    ("output-dir=x", "there is no option 'output-dir': out is torchvision's output-dir"),
    ("wd=0.1", "there is no option 'wd': write weight-decay"),
])
def test_mistakes_are_one_sentence(text, message):
    with pytest.raises(OptionError, match=message.replace("?", r"\?")) as error:
        parse(Options, [text])
    assert "\n" not in str(error.value)


def test_an_option_without_a_form_as_text():
    @dataclasses.dataclass(frozen=True)
    class Sized(Recipe):
        sizes: tuple[int, ...] = (8, 16)

    assert parse(Sized, ["epochs=1"]).sizes == (8, 16)
    with pytest.raises(OptionError, match=r"sizes is of type tuple.*only the recipe can give its value"):
        parse(Sized, ["sizes=8,16"])


@pytest.mark.parametrize("name", list_recipes())
def test_recipes_have_a_header_and_survive_a_round_trip(name):
    kind = find_recipe(name)
    recipe = kind()
    assert isinstance(recipe, Recipe)
    assert from_dict(kind, as_dict(recipe)) == recipe
    assert parse(kind, [f"{key}={value}" for key, value in shown(recipe).items()]) == recipe
    for field in dataclasses.fields(kind):
        assert meaning(kind, field.name), field.name
    header = __import__(kind.__module__, fromlist=["Recipe"]).__doc__
    assert re.search(r"^Cost: ", header, re.MULTILINE)
    assert f"funcvision train {name}" in header
