"""`funcvision serve` as a process: it opens the port when all is compiled, and SIGTERM lets requests finish."""

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time

import jax
import pytest

import funcvision
from funcvision import cli, serve
from funcvision.train.outputs import write_result
from funcvision.train.preparation import Preparation
from funcvision.train.recipe import find_recipe
from funcvision.vision import convert

from .serving import Client, image


@pytest.fixture
def server(model_file, tmp_path):
    """The process, its port, and what it printed up to then."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "XLA_FLAGS": ""}
    arguments = [f"named={model_file}", "--port", "0", "--max-batch", "2", "--trust-files"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "funcvision", "serve", *arguments], stdout=subprocess.PIPE, stderr=log,
            env=environment,
        )
    try:
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([process.stdout], [], [], 300)[0], "the server did not start"
            part = os.read(process.stdout.fileno(), 1000)
            assert part, (tmp_path / "log").read_text(encoding="utf-8")
            line += part
        yield process, int(line.decode().rsplit(":", 1)[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_server(server, tmp_path):
    process, port = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("PUT", "/predictions/named", image("#00ff00"))
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read().startswith(b'{"green":')
    assert answer.getheader("server") is None
    connection.close()

    with socket.create_connection(("127.0.0.1", port), timeout=60) as broken:
        broken.sendall(b"POST /predictions/named HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nhalf")

    # SIGTERM while a body is being sent: the port is closed, and the request is answered.
    data = image("#ff0000")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(
            b"POST /predictions/named HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(data) + data[:10]
        )
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        for _ in range(300):
            time.sleep(0.1)
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                break
        else:
            pytest.fail("the port is still open")
        assert process.poll() is None
        slow.sendall(data[10:])
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert answer.status == 200
        assert answer.read().startswith(b'{"red":')
    assert process.wait(60) == 0
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "named 1.0: classification" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "give files to serve"), (["--models", "nowhere"], "there is no folder nowhere"),
    (["missing.fv"], "missing.fv"), (["a.fv", "--workers", "0"], "--workers"),
    (["a.fv", "--max-batch", "0"], "max_batch"), (["a.fv", "--api-key-file", "missing"], "missing"),
    (["."], ". is a folder without result.json, so it is no run"),
    (["a.fv", "--port", "70000"], "0 to 65535; got 70000"), (["a.fv", "--host", "no.invalid"], "no.invalid:0: "),
])  # fmt: skip
def test_refused_arguments(capsys, arguments, words):
    assert cli.main(["serve", "--port", "0", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_folder_of_a_run(tmp_path, capsys, monkeypatch):
    """It is exported, and served under its name with its classes."""
    recipe, preparation = find_recipe("digits")(), Preparation((0.5,), (0.25,), 12, 8, "bilinear")
    run = tmp_path / "my_run"
    write_result(run, "digits", recipe, tuple("zyxwvutsrq"), preparation, steps_per_epoch=1)
    model = recipe.build_model(10, 1)
    convert.save(run / "model.safetensors", model, *jax.jit(model.init)(jax.random.key(0)))
    answers = []
    monkeypatch.setattr(
        serve, "run", lambda app, *_, **__: answers.append(Client(app).put("/predictions/my_run", content=image()))
    )
    assert cli.main(["serve", str(run), "--port", "0", "--max-batch", "1", "--trust-files"]) == 0
    assert set(answers[0].json()) <= set("zyxwvutsrq")
    assert answers[0].status_code == 200
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "x"])
@pytest.mark.parametrize("option", ["--timeout", "--max-mib", "--max-delay-ms", "--drain"])
def test_options_that_are_not_numbers(capsys, option, number):
    with pytest.raises(SystemExit):
        cli.main(["serve", "a.fv", f"{option}={number}"])
    assert f"{number!r} is not a number" in capsys.readouterr().err


def test_without_the_extra(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("funcvision.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(funcvision, "serve", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert cli.main(["serve", "a.fv"]) == 2
    assert 'pip install "funcvision[serve]"' in capsys.readouterr().err


def test_a_port_that_is_taken(capsys, model_file):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other_port = other.getsockname()[1]
        assert cli.main(["serve", str(model_file), "--port", str(other_port)]) == 2
    assert f"127.0.0.1:{other_port}: Address already in use" in capsys.readouterr().err


def test_a_port_that_is_taken_while_models_are_loaded():
    """Two sockets can be bound to one port as long as none listens."""
    first = serve.open_port("127.0.0.1", 0)
    port = first.getsockname()[1]
    with first, serve.open_port("127.0.0.1", port) as second:
        first.listen()
        with pytest.raises(OSError, match="in use") as error:
            serve.run(None, second, ready=lambda: pytest.fail("it serves, and nothing reaches it"))
        assert error.value.filename == f"127.0.0.1:{port}"
