"""The `funcvision` command: its output, its exit status, and errors of one sentence."""

import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from funcvision import cli
from funcvision.vision import convert, models


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint, as torch saves it, of a ResNet-18 with ten classes and four input channels."""
    model = models.resnet18(num_classes=10, in_channels=4)
    params, state = jax.jit(model.init)(jax.random.key(0))
    path = tmp_path_factory.mktemp("checkpoint") / "in.pth"
    convert.save(path, model, params, state)
    return path


def run(capsys, *arguments):
    """Runs the command; returns its exit status, stdout and stderr."""
    status = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def test_there_and_back(checkpoint, tmp_path, capsys):
    middle, back = tmp_path / "w.safetensors", tmp_path / "w.pth"
    status, out, err = run(capsys, "convert", checkpoint, middle)
    assert (status, err) == (0, "")
    summary, size = out.split(" (")
    assert summary == f"resnet18: 11,184,778 parameters, 122 tensors -> {middle}"
    assert re.fullmatch(r"42\.\d MiB\)\n", size)
    assert run(capsys, "convert", middle, back)[0] == 0
    assert back.read_bytes() == checkpoint.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["w.pth", "w.safetensors"]
    expected = convert.read(checkpoint)
    for name, array in convert.read(middle).items():
        np.testing.assert_array_equal(array, expected[name], strict=True)


def test_an_existing_file_is_replaced_only_with_force(checkpoint, tmp_path, capsys):
    out = tmp_path / "w.safetensors"
    out.write_bytes(b"precious")
    assert run(capsys, "convert", checkpoint, out) == (
        2, "", f"funcvision: {out} exists: pass overwrite=True (--force on the command line) to replace it\n"
    )  # fmt: skip
    assert out.read_bytes() == b"precious"
    assert run(capsys, "convert", checkpoint, out, "--force", "--model", "resnet18")[0] == 0
    assert len(convert.read(out)) == 122


def test_mistakes_are_one_sentence(checkpoint, tmp_path, capsys):
    empty = tmp_path / "empty.pth"
    empty.write_bytes(b"")
    truncated = tmp_path / "truncated.pth"
    truncated.write_bytes(checkpoint.read_bytes()[:-3000])
    strange = tmp_path / "strange.pth"
    convert.write(strange, {"conv1.weight": np.zeros((64, 3, 7, 7), np.float32), "x": np.zeros(3, np.float32)})
    out = tmp_path / "out.safetensors"
    for arguments, message in (
        ((empty, out), f"{empty} is empty"),
        ((truncated, out), f"{truncated} is a truncated or damaged zip archive"),
        ((tmp_path / "none.pth", out), f"{tmp_path / 'none.pth'}: No such file or directory"),
        ((tmp_path, out), f"{tmp_path}: Is a directory"),
        ((checkpoint, tmp_path / "out.npz"), "ends in '.npz'; it can be .safetensors, .pth or .pt"),
        ((checkpoint, tmp_path / "none" / "out.pth"), "does not exist"),
        ((checkpoint, out, "--model", "resnet19"), "no model is named 'resnet19'; close to it: resnet1"),
        ((checkpoint, out, "--entry", "model_ema"), f"{checkpoint} has no entry 'model_ema'"),
        ((strange, out), f"{strange} is not recognised: these 2 tensors fit no model; most similar by their n"),
        ((strange, out), "Say which model it is with --model"),
        ((strange, out, "--model", "resnet18"), f"the tensors of {strange} do not fit ResNet; 101 missing: bn1.weight"),
        ((strange, out, "--model", "resnet18"), "1 unexpected: x"),
        ((checkpoint, out, "--model", "resnet34"), "do not fit ResNet; "),
    ):
        status, printed, err = run(capsys, "convert", *arguments)
        assert (status, printed) == (2, "")
        assert message in err
        assert err.startswith("funcvision: ")
        assert err.count("\n") == 1
        assert not out.exists()


def test_ctrl_c_is_one_sentence(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.COMMANDS["bench"], "run", interrupted)
    assert run(capsys, "bench", "x.fv") == (130, "", "funcvision: interrupted\n")


def test_usage(capsys):
    for arguments, status in (([], 2), (["convert"], 2), (["transmogrify"], 2), (["-h"], 0), (["convert", "-h"], 0)):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == status
    assert "--force" in capsys.readouterr().out


def test_help_imports_neither_jax_nor_numpy():
    """Their import takes a hundred times as long as the rest of `funcvision --help`."""
    program = (
        "import runpy, sys; sys.argv = ['funcvision', '--help']\n"
        "try: runpy.run_module('funcvision', run_name='__main__')\n"
        "except SystemExit as stop: print(stop.code, sys.modules.keys() & {'jax', 'numpy', 'PIL', 'tqdm'})"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("0 set()\n")
    for name, command in cli.COMMANDS.items():
        assert re.search(rf"^ +{name} +{command.HELP}$", result.stdout, re.MULTILINE)


def test_as_a_program_without_torch(checkpoint, tmp_path):
    program = "import runpy, sys; sys.modules['torch'] = None; runpy.run_module('funcvision', run_name='__main__')"
    out = tmp_path / "w.safetensors"
    for status in (0, 2):
        result = subprocess.run(
            [sys.executable, "-c", program, "convert", str(checkpoint), str(out)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == status, result.stderr
        assert result.stdout.startswith("resnet18: ") == (status == 0)
        assert result.stderr.startswith("funcvision: ") == (status == 2)
    assert len(convert.read(out)) == 122
