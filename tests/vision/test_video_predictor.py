"""`video.Predictor`: clips, lists of frames and video files, with published and with own weights."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision import cli, nn
from funcvision.vision import convert, io, models, tv_tensors
from funcvision.vision.models import video
from funcvision.vision.models._zoo import registry
from funcvision.vision.transforms.presets import VideoClassification

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (6, 20, 30, 3), np.uint8)


class Tiny(nn.Module):
    """A classifier of clips that sees in which frame something is."""

    def __init__(self, num_classes: int = 400, *, in_channels: int = 3):
        self.fc = nn.Linear(in_channels, num_classes)

    def forward(self, x):
        weights = jnp.arange(x.shape[1], dtype=x.dtype)[None, :, None]
        return self.fc((x.mean((2, 3)) * weights).sum(1))


@pytest.fixture
def predictor():
    model = Tiny(3)
    preset = VideoClassification(crop_size=(8, 8), resize_size=(10, 12))
    return video.Predictor(
        model, *model.init(jax.random.key(0)), preset, categories="abc", frames=4, frame_rate=10.0
    )


@pytest.fixture
def film(tmp_path):
    """A file of 50 frames at 25 frames a second; frame i is grey of level 5 i."""
    frames = np.broadcast_to(np.arange(0, 250, 5, dtype=np.uint8)[:, None, None, None], (50, 32, 48, 3))
    io.write_video(tmp_path / "film.mp4", frames, fps=25)
    return tmp_path / "film.mp4"


def expected(predictor, clips):
    """Names and probabilities averaged over clips, without any code of the predictor."""
    logits = [
        predictor.model.apply(predictor.params, predictor.state, jnp.asarray(predictor.preset(clip))[None])[0][0]
        for clip in clips
    ]
    shares = np.mean([jax.nn.softmax(one) for one in logits], 0)
    return [("abc"[i], shares[i]) for i in np.argsort(-shares)]


def assert_same(found, wanted):
    assert [name for name, _ in found] == [name for name, _ in wanted]
    np.testing.assert_allclose([p for _, p in found], [p for _, p in wanted], rtol=1e-5)


def test_clips_and_lists_of_frames(predictor):
    wanted = expected(predictor, [FRAMES])
    pictures = [PIL.Image.fromarray(frame) for frame in FRAMES]
    typed = [tv_tensors.Image(frame) for frame in FRAMES]
    for clip in (FRAMES, jnp.asarray(FRAMES), list(FRAMES), pictures, tuple(typed), tv_tensors.Video(FRAMES)):
        assert_same(predictor(clip), wanted)
    assert_same(predictor(pictures, top=2), wanted[:2])
    other = FRAMES[::-1].copy()
    for several in ([FRAMES, other], np.stack([FRAMES, other]), tv_tensors.Video(np.stack([FRAMES, other]))):
        for found, clip in zip(predictor(several), (FRAMES, other), strict=True):
            assert_same(found, expected(predictor, [clip]))
    assert predictor([]) == []


def test_a_file(predictor, film):
    """Clips of 4 frames at 10 frames a second take every 2.5th frame of the file."""
    middle = predictor.cut(film)
    assert middle.shape == (1, 4, 32, 48, 3)
    levels = middle.mean((0, 2, 3, 4)) / 5
    np.testing.assert_allclose(levels, [20, 23, 25, 28], atol=0.7)  # the codec is lossy
    ends = predictor.cut(film, clips=3).mean((2, 3, 4)) / 5
    np.testing.assert_allclose(ends[:, 0], [0, 20, 41], atol=0.7)
    np.testing.assert_allclose(ends[:, -1], [7, 28, 49], atol=0.7)
    assert_same(predictor(film), expected(predictor, middle))
    assert_same(predictor(str(film), clips=3), expected(predictor, predictor.cut(film, 3)))
    both = predictor([film, FRAMES], top=1)
    assert both == [predictor(film, top=1), predictor(FRAMES, top=1)]


def test_a_file_that_is_shorter_than_a_clip(predictor, tmp_path):
    io.write_video(tmp_path / "short.mp4", np.full((2, 32, 32, 3), 90, np.uint8), fps=25)
    assert predictor.cut(tmp_path / "short.mp4", clips=2).shape == (2, 4, 32, 32, 3)


def test_wrong_arguments(predictor, film):
    with pytest.raises(TypeError, match=r"takes clips .* got a ndarray of shape \(20, 30, 3\)"):
        predictor(FRAMES[0])
    with pytest.raises(TypeError, match="got a int"):
        predictor(3)
    with pytest.raises(ValueError, match="1 or more; clips=0"):
        predictor(film, clips=0)
    with pytest.raises(ValueError, match="frames=0"):
        video.Predictor(predictor.model, {}, {}, predictor.preset, frames=0)
    with pytest.raises(FileNotFoundError):
        predictor("missing.mp4")


def test_weights_of_a_file_and_the_command(film, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    models.register(task="video", probed=("num_classes", "in_channels"))(Tiny)
    model = Tiny(3)
    arrays = model.init(jax.random.key(0))
    convert.save(tmp_path / "own.safetensors", model, *arrays)
    loaded = video.Predictor.load("Tiny", tmp_path / "own.safetensors", categories="abc")
    assert (loaded.name, loaded.weights, loaded.frames, loaded.frame_rate) == ("Tiny", None, 16, 15.0)
    assert loaded.preparation == (
        "as usual for video (no weights are published for Tiny): crop_size=(112, 112), resize_size=(128, 171)"
    )
    assert_same(loaded(film), expected(loaded, loaded.cut(film)))
    (tmp_path / "names.txt").write_text("a\nb\nc\n", encoding="utf-8")
    arguments = ["--weights", str(tmp_path / "own.safetensors"), "--classes", str(tmp_path / "names.txt")]
    assert cli.main(["classify", str(film), *arguments, "--clips", "2", "--top", "1"]) == 0
    out, err = capsys.readouterr()
    name, share = loaded(film, clips=2, top=1)[0]
    assert out == f"{share:7.2%}  {name}\n"
    assert err == f"prepared {loaded.preparation}\n"
    assert cli.main(["classify", str(tmp_path / "none.mp4"), *arguments]) == 2
    assert "none.mp4" in capsys.readouterr().err


def test_a_model_of_another_task(tmp_path):
    model = models.squeezenet1_1(3)
    convert.save(tmp_path / "own.pth", model, *model.init(jax.random.key(0)))
    with pytest.raises(ValueError, match=r"video\.Predictor takes models for video; squeezenet1_1 is one for class"):
        video.Predictor.load(None, tmp_path / "own.pth")


def test_how_published_clips_are_cut():
    assert models.find_weights("mvit_v2_s", "DEFAULT").clips == {"frames": 16, "frame_rate": 7.5, "per_video": 5}
    assert models.find_weights("resnet18", "DEFAULT").clips == {}
