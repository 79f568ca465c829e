"""Published weights: the table, and downloading, converting and loading with a server on the loopback."""

import dataclasses
import hashlib
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision import cli
from funcvision.vision import convert, models
from funcvision.vision.download import DownloadError
from funcvision.vision.models._zoo import published
from tests.vision.loopback import serve


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Empty caches of funcvision and torch, under this folder as `own` and `torch`."""
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture
def checkpoint(tmp_path):
    """A ResNet-18's arrays and the bytes of a `.pth` file that holds them."""
    model = models.resnet18()
    params, state = jax.jit(model.init)(jax.random.key(0))
    convert.save(tmp_path / "made.pth", model, params, state)
    content = (tmp_path / "made.pth").read_bytes()
    return params, state, content


def publish(monkeypatch, content, server=None, **preset):
    """Publishes this file on this server as the weights of resnet18, with these options of the preset."""
    digest = hashlib.sha256(content).hexdigest()[:8]
    url = server.url(f"resnet18-{digest}.pth") if server else f"http://127.0.0.1:9/resnet18-{digest}.pth"
    entry = models.weights("resnet18")["IMAGENET1K_V1"]
    entry = dataclasses.replace(
        entry, url=url, sha256=digest, mib=round(len(content) / 2**20, 3), preset_options=entry.preset_options | preset
    )
    monkeypatch.setattr(published, "_published", lambda: {"resnet18": {entry.name: entry}})
    return f"resnet18-{digest}"


def assert_same(loaded, arrays):
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
        assert loaded[name].dtype == array.dtype


@pytest.mark.parametrize("cuts", [0, 1])
def test_fetched_converted_and_mapped(caches, checkpoint, monkeypatch, cuts, capfd):
    params, state, content = checkpoint
    with serve({}, cut=len(content) // 2, cuts=cuts) as server:
        stem = publish(monkeypatch, content, server)
        server.files[stem + ".pth"] = content
        model, *loaded = models.load("resnet18", "DEFAULT")
        assert len(server.requests) == 1 + cuts
        assert "44.7M/44.7M" in capfd.readouterr().err  # the progress bar
    assert isinstance(model, models.ResNet)
    assert_same(loaded[0], params)
    assert_same(loaded[1], state)
    assert [str(path.relative_to(caches / "own")) for path in (caches / "own").rglob("*") if path.is_file()] == [
        f"weights/{stem}.safetensors"
    ]

    _, *again = models.load("resnet18", "IMAGENET1K_V1")  # the server is closed: this reads the cache
    assert_same(again[0], params)
    assert_same(again[1], state)


def put_by_hand(caches, stem, content):
    (caches / "own/downloads").mkdir(parents=True)
    (caches / f"own/downloads/{stem}.pth").write_bytes(content)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is mapped where")
def test_arrays_lie_in_the_file(caches, checkpoint, monkeypatch):
    _, _, content = checkpoint
    put_by_hand(caches, publish(monkeypatch, content), content)
    _, loaded, _ = models.load("resnet18", "DEFAULT")
    (path,) = (caches / "own/weights").iterdir()
    lines = pathlib.Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = [line.split()[0].split("-") for line in lines if str(path) in line]
    for name, array in loaded.items():
        if array.nbytes % 64 == 0:
            pointer = array.unsafe_buffer_pointer()
            assert any(int(start, 16) <= pointer < int(end, 16) for start, end in mapped), f"{name} is a copy"


def test_mapped_arrays_can_be_donated(caches, checkpoint, monkeypatch):
    params, _, content = checkpoint
    put_by_hand(caches, publish(monkeypatch, content), content)
    for _ in range(2):
        _, loaded, _ = models.load("resnet18", "DEFAULT")
        double = jax.jit(lambda p: jax.tree.map(lambda x: x * 2, p), donate_argnums=0)(loaded)
        np.testing.assert_array_equal(double["conv1.weight"], 2 * params["conv1.weight"])


def test_the_cached_file_reads_in_torchs_order(caches, checkpoint, monkeypatch):
    params, _, content = checkpoint
    stem = publish(monkeypatch, content)
    (caches / "torch/hub/checkpoints").mkdir(parents=True)
    (caches / f"torch/hub/checkpoints/{stem}.pth").write_bytes(content)
    models.load("resnet18", "DEFAULT")
    assert (caches / f"torch/hub/checkpoints/{stem}.pth").exists()
    tensors = convert.read(caches / f"own/weights/{stem}.safetensors")
    np.testing.assert_array_equal(tensors["conv1.weight"], params["conv1.weight"].transpose(3, 2, 0, 1))
    assert not tensors["conv1.weight"].flags.writeable
    convert.write(caches / "plain.safetensors", tensors)
    import safetensors.numpy

    plain = safetensors.numpy.load_file(caches / "plain.safetensors")
    np.testing.assert_array_equal(plain["conv1.weight"], params["conv1.weight"].transpose(3, 2, 0, 1))


def test_a_damaged_file_of_torch_is_passed_over(caches, checkpoint, monkeypatch):
    _, _, content = checkpoint
    stem = publish(monkeypatch, content)
    (caches / "torch/hub/checkpoints").mkdir(parents=True)
    (caches / f"torch/hub/checkpoints/{stem}.pth").write_bytes(content[:-5])
    with pytest.warns(UserWarning, match="damaged or another file"), pytest.raises(DownloadError):
        models.load("resnet18", "DEFAULT")


def test_offline(caches, checkpoint, monkeypatch):
    _, _, content = checkpoint
    monkeypatch.setenv("FUNCVISION_OFFLINE", "1")
    with serve({}) as server:
        stem = publish(monkeypatch, content, server)
        with pytest.raises(DownloadError, match="FUNCVISION_OFFLINE is set") as raised:
            models.load("resnet18", "DEFAULT")
        assert server.requests == []
    for part in ("resnet18 IMAGENET1K_V1", str(caches / f"own/downloads/{stem}.pth"), str(caches / "torch")):
        assert part in str(raised.value)
    monkeypatch.setenv("FUNCVISION_OFFLINE", "0")
    with serve({stem + ".pth": content}) as server:
        publish(monkeypatch, content, server)
        models.load("resnet18", "DEFAULT")
        assert len(server.requests) == 1


def test_another_file_on_the_server_is_refused(caches, checkpoint, monkeypatch):
    _, _, content = checkpoint
    with serve({}) as server:
        stem = publish(monkeypatch, content, server)
        server.files[stem + ".pth"] = content[:-1] + b"x"
        with pytest.raises(DownloadError, match="sent another file"):
            models.load("resnet18", "DEFAULT")
    assert not [path for path in (caches / "own").rglob("*") if path.is_file()]


def test_processes_that_load_at_once_fetch_once(caches, checkpoint, monkeypatch):
    _, _, content = checkpoint
    program = (
        "import sys; sys.argv.pop(0); import dataclasses; from funcvision.vision import models\n"
        "from funcvision.vision.models._zoo import published; url, digest = sys.argv\n"
        "entry = dataclasses.replace(models.weights('resnet18')['IMAGENET1K_V1'], url=url, sha256=digest)\n"
        "published._published = lambda: {'resnet18': {entry.name: entry}}\n"
        "print(float(models.load('resnet18', 'DEFAULT')[1]['conv1.weight'].sum()))"
    )
    digest = hashlib.sha256(content).hexdigest()[:8]
    with serve({f"resnet18-{digest}.pth": content}) as server:
        command = [sys.executable, "-c", program, server.url(f"resnet18-{digest}.pth"), digest]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
        answers = [process.communicate(timeout=120) for process in running]
        assert [process.returncode for process in running] == [0, 0, 0], answers
        assert len({out for out, _ in answers}) == 1
        assert len(server.requests) == 1


def test_other_classes_and_dtype(caches, checkpoint, monkeypatch):
    params, _, content = checkpoint
    put_by_hand(caches, publish(monkeypatch, content), content)
    with pytest.raises(ValueError, match=r"no tensors of these shapes for fc.weight, fc.bias: pass key="):
        models.load("resnet18", "DEFAULT", num_classes=10)
    with pytest.warns(UserWarning, match=r"resnet18: freshly initialised, .*: fc\.weight, fc\.bias"):
        model, loaded, _ = models.load(
            "resnet18", "DEFAULT", num_classes=10, key=jax.random.key(1), dtype=jnp.bfloat16
        )
    assert model.fc.out_features == 10
    assert loaded["fc.weight"].shape == (512, 10)
    assert {array.dtype for array in loaded.values()} == {np.dtype(jnp.bfloat16)}
    np.testing.assert_array_equal(loaded["conv1.weight"], params["conv1.weight"].astype(jnp.bfloat16))


def test_names_that_there_are_not():
    with pytest.raises(ValueError, match=r"no published weights 'IMAGENET1K_V2'.*: IMAGENET1K_V1, DEFAULT"):
        models.load("resnet18", "IMAGENET1K_V2")
    with pytest.raises(ValueError, match="does not say of which model"):
        models.load(None, "DEFAULT")
    with pytest.raises(ValueError, match="no model is named 'resnet19'"):
        models.weights("resnet19")
    with pytest.raises(FileNotFoundError):
        models.load("resnet18", "resnet18.pth")
    with pytest.raises(ValueError, match="IMAGENET1K_V1 have no entries: entry='model_ema' is for a file"):
        models.load("resnet18", "DEFAULT", entry="model_ema")


def test_preparation_of_images():
    entry = models.weights("resnet50")["IMAGENET1K_V2"]
    assert entry.categories[0] == "tench"
    assert entry.transforms()(np.zeros((300, 400, 3), np.uint8)).shape == (224, 224, 3)
    assert entry.sha256 == "11ad3fa6"
    assert "resize_size=232" in repr(entry.transforms())


def test_axes_that_are_none_are_refused(tmp_path):
    path = tmp_path / "file.safetensors"
    convert.write(path, {"a": np.zeros((2, 3), np.float32)}, axes={"a": (1, 0)})
    assert convert.read(path)["a"].shape == (2, 3)
    path.write_bytes(path.read_bytes().replace(b"[1, 0]", b"[1, 1]"))
    with pytest.raises(ValueError, match=r"a of shape \(3, 2\) is said to have the axes \[1, 1\]"):
        convert.read(path)


def test_the_command_classifies_with_published_weights(caches, checkpoint, monkeypatch, capsys):
    """The command uses the published preparation, unless options change it."""
    _, _, content = checkpoint
    put_by_hand(caches, publish(monkeypatch, content, crop_size=64, resize_size=72), content)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(caches / "image.png")
    (caches / "classes.txt").write_text("\n".join(f"kind {i}" for i in range(1000)), encoding="utf-8")

    def printed(*arguments):
        assert cli.main(["classify", str(caches / "image.png"), "--model", "resnet18", *arguments]) == 0
        out, err = capsys.readouterr()
        assert err.startswith("prepared as published for resnet18 IMAGENET1K_V1")
        return out

    published_ = printed()
    file = ("--weights", str(caches / "made.pth"))
    assert published_ == printed("--weights", "IMAGENET1K_V1") == printed(*file)
    assert published_ != printed("--crop", "32")
    assert printed("--classes", str(caches / "classes.txt")).count("kind") == 5
    assert cli.main(["classify", str(caches / "image.png"), *file, "--classes", str(caches / "image.png")]) == 2
    assert "funcvision: " in capsys.readouterr().err
