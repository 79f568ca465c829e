"""The example for Ray Serve, where ray is installed."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from . import serving

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "serve_ray.py"


@pytest.mark.slow
def test_ray_serves_an_exported_classifier(model_file):
    pytest.importorskip("ray.serve", reason="ray is not installed: pip install 'ray[serve]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(EXAMPLE.parents[1])}
    command = [sys.executable, str(EXAMPLE), str(model_file), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        assert any("serving at" in line for line in process.stdout)
        assert next(iter(_send(port, serving.image("#ff0000")))) == "red"
        with pytest.raises(urllib.error.HTTPError, match="400"):
            _send(port, b"not an image")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0


def _send(port, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}", body, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)
