"""Decoding and encoding of images beside torchvision and Pillow."""

import io
import itertools
import struct

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import torch
import torchvision.io as theirs

from funcvision.vision import io as ours
from tests.vision.io.image_files import gif, gif_frame, photo, png, png_chunk, saved, with_orientation


def tensor(data):
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def channels_last(image):
    return image.movedim(-3, -1).numpy()


def equal(found, expected, *, atol=0):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= atol


@pytest.fixture(params=["pillow", "simplejpeg"])
def jpeg_decoder(request, monkeypatch):
    """Runs a test with each package that may decode JPEG."""
    from funcvision.vision.io import _jpeg

    package = pytest.importorskip("simplejpeg") if request.param == "simplejpeg" else None
    monkeypatch.setattr(_jpeg, "simplejpeg", lambda: package)


JPEGS = {
    f"{name} {height}x{width} {options}": saved(photo(height, width, channels), "JPEG", **options)
    for (name, channels), (height, width), options in itertools.product(
        (("RGB", 3), ("L", 1)), ((37, 53), (8, 16), (1, 1), (3, 130)),
        ({}, {"subsampling": 0}, {"subsampling": 1, "quality": 30}, {"progressive": True},
         {"restart_marker_blocks": 2, "optimize": True}, {"keep_rgb": True}),
    )
}  # fmt: skip


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.usefixtures("jpeg_decoder")
def test_jpeg(name):
    for mode in ("UNCHANGED", "RGB", "GRAY"):
        expected = channels_last(theirs.decode_jpeg(tensor(JPEGS[name]), mode=mode))
        equal(ours.decode_jpeg(JPEGS[name], mode), expected)
        equal(ours.decode_image(JPEGS[name], mode), expected)
    rgb, gray = ours.decode_jpeg(JPEGS[name], "RGB"), ours.decode_jpeg(JPEGS[name], "GRAY")
    full = np.full_like(gray, 255)
    equal(ours.decode_jpeg(JPEGS[name], "RGBA"), np.concatenate([rgb, full], -1))
    equal(ours.decode_jpeg(JPEGS[name], "GRAY_ALPHA"), np.concatenate([gray, full], -1))


@pytest.mark.usefixtures("jpeg_decoder")
def test_photos(shared_data):
    paths = sorted((shared_data / "imagenet-samples").glob("*.JPEG"))
    assert len(paths) == 112
    for mode in ("RGB", "GRAY"):
        for path, found in zip(paths, ours.decode_jpeg(paths, mode), strict=True):
            equal(found, channels_last(theirs.decode_jpeg(theirs.read_file(path), mode=mode)))


def ycck(data):
    """A CMYK file that says that it is YCCK; the values mean something else then."""
    at = data.index(b"Adobe")
    return data[: at + 11] + b"\x02" + data[at + 12 :]


@pytest.mark.parametrize("form", ["CMYK", "YCCK", "progressive"])
def test_jpeg_cmyk(form):
    values = np.concatenate([photo(channels=3), photo(channels=1, seed=1)], -1)
    data = saved(PIL.Image.fromarray(values, "CMYK"), "JPEG", progressive=form == "progressive")
    data = ycck(data) if form == "YCCK" else data
    for mode in ("RGB", "GRAY"):
        equal(ours.decode_jpeg(data, mode), channels_last(theirs.decode_jpeg(tensor(data), mode=mode)))
    found = ours.decode_jpeg(data)
    equal(found, np.asarray(PIL.Image.open(io.BytesIO(data))))
    equal(255 - found, channels_last(theirs.decode_jpeg(tensor(data))))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_orientation(format, orientation):
    data = saved(photo(), format, exif=with_orientation(orientation))
    expected = channels_last(theirs.decode_image(tensor(data), apply_exif_orientation=True))
    decode = {"JPEG": ours.decode_jpeg, "PNG": ours.decode_png}[format]
    equal(decode(data, apply_exif_orientation=True), expected)
    equal(decode(data, exif=True), expected)
    equal(ours.decode_image(data, "UNCHANGED", True), expected)
    equal(ours.decode_image(data), channels_last(theirs.decode_image(tensor(data))))
    if format == "JPEG":
        height, width = expected.shape[:2]
        turned = ours.decode_jpeg(data, exif=True, size=(height, width))
        equal(turned, expected)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_orientation_of_other_formats(format, orientation):
    data = saved(photo(), format, exif=with_orientation(orientation))
    image = PIL.Image.open(io.BytesIO(data))
    equal(ours.decode_image(data, exif=True), np.asarray(PIL.ImageOps.exif_transpose(image)))
    equal(ours.decode_image(data), np.asarray(image))


CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]
MODES = ["UNCHANGED", "GRAY", "GRAY_ALPHA", "RGB", "RGBA"]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("color", "depth"), KINDS)
def test_png(color, depth, interlaced):
    for height, width in ((19, 23), (1, 1), (3, 2)):
        values = np.random.default_rng(height).integers(0, 1 << depth, (height, width, CHANNELS[color]))
        data = png(values, depth, color, interlaced=interlaced)
        for mode in MODES:
            found = ours.decode_png(data, mode)
            if depth < 8 and mode in ("GRAY_ALPHA", "RGBA"):  # torchvision's opacity is that of 255 for fewer bits
                gray = (values * (255 // ((1 << depth) - 1))).astype(np.uint8)
                color_part = np.repeat(gray, found.shape[-1] - 1, -1)
                equal(found, np.concatenate([color_part, np.full_like(gray, 255)], -1))
                continue
            expected = channels_last(theirs.decode_png(tensor(data), mode=mode))
            equal(found, expected, atol=1 if color in (2, 6) and "GRAY" in mode else 0)
            equal(ours.decode_image(data, mode), found)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("opaque", [False, True])
def test_png_palette(depth, opaque, interlaced):
    rng = np.random.default_rng(depth)
    count = 1 << depth
    palette = rng.integers(0, 256, (count, 3), np.uint8)
    opacity = b"" if opaque else rng.integers(0, 256, count // 2, np.uint8).tobytes()
    values = rng.integers(0, count, (19, 23, 1))
    data = png(values, depth, 3, palette=palette.tobytes(), opacity=opacity, interlaced=interlaced)
    equal(ours.decode_png(data), values.astype(np.uint8))
    image = PIL.Image.open(io.BytesIO(data))
    equal(ours.decode_png(data, "RGBA"), np.asarray(image.convert("RGBA")))
    equal(ours.decode_png(data, "RGB"), np.asarray(image.convert("RGBA"))[..., :3].copy())
    for mode in MODES if depth == 8 else ("GRAY", "RGB"):
        if mode in ("GRAY_ALPHA", "RGBA") and opaque:
            assert (ours.decode_png(data, mode)[..., -1] == 255).all()
            continue
        expected = channels_last(theirs.decode_png(tensor(data), mode=mode))
        equal(ours.decode_png(data, mode), expected, atol=1 if "GRAY" in mode else 0)


def test_png_ignores_one_transparent_color_as_torchvision_does():
    values = np.random.default_rng(0).integers(0, 3, (9, 9, 3))
    data = png(values, 8, 2, opacity=struct.pack(">HHH", 1, 1, 1))
    equal(ours.decode_png(data, "RGBA"), channels_last(theirs.decode_png(tensor(data), mode="RGBA")))


def test_png_animation_gives_the_default_image():
    frames = [PIL.Image.fromarray(photo(seed=seed)) for seed in range(3)]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    equal(ours.decode_png(data), channels_last(theirs.decode_png(tensor(data))))
    ancillary = png(photo(), 8, 2, extra=png_chunk(b"gAMA", struct.pack(">I", 45455)))
    equal(ours.decode_png(ancillary), photo())


def test_gif_of_one_frame():
    pixels = np.random.default_rng(0).integers(0, 4, (5, 7))
    for frame, background in (
        (gif_frame(pixels), 0), (gif_frame(pixels, interlaced=True), 0), (gif_frame(pixels[:3, :2], 4, 1), 2),
        (gif_frame(pixels, transparent=1), 3), (gif_frame(pixels, 2, 3), 1),
        (gif_frame(pixels, palette=bytes(range(12))), 0),
    ):  # fmt: skip
        data = gif(5, 7, [frame], background=background)
        equal(ours.decode_gif(data), channels_last(theirs.decode_gif(tensor(data))))
        equal(ours.decode_image(data), channels_last(theirs.decode_image(tensor(data))))
    beyond = ours.decode_gif(gif(5, 7, [gif_frame(pixels[:2, :2], 1, 1)], background=200))
    assert (beyond[0] == 0).all(), "torchvision reads behind the palette"
    smooth = saved(PIL.Image.fromarray(photo()).quantize(200), "GIF")
    equal(ours.decode_gif(smooth), channels_last(theirs.decode_gif(tensor(smooth))))
    assert ours.decode_gif(smooth, "GRAY").shape == (37, 53, 1)


@pytest.mark.parametrize("disposals", [(0, 0, 0, 0), (1, 1, 1, 1), (2, 2, 2, 2), (1, 2, 0, 2)])
def test_gif_animation(disposals):
    rng = np.random.default_rng(sum(disposals))
    frames = [
        gif_frame(rng.integers(0, 4, (6 - i, 7 - i)), i, i // 2, disposal=disposal, transparent=(None, 2)[i % 2])
        for i, disposal in enumerate(disposals)
    ]
    data = gif(6, 7, frames, background=3)
    found = ours.decode_gif(data)
    assert found.shape == (4, 6, 7, 3)
    equal(found, channels_last(theirs.decode_gif(tensor(data))))


def pillows_frames(data, mode):
    with PIL.Image.open(io.BytesIO(data)) as image:
        return np.stack([np.asarray((image.seek(i), image.convert(mode))[1]) for i in range(image.n_frames)])


def test_gif_disposal_to_the_previous_picture():
    rng = np.random.default_rng(0)
    frames = [gif_frame(rng.integers(0, 4, (6, 7)), disposal=1)]
    frames += [gif_frame(rng.integers(0, 4, (3, 2)), i, i, disposal=3, transparent=2) for i in range(3)]
    frames += [gif_frame(rng.integers(0, 4, (1, 1)), 5, 5, disposal=1)]
    data = gif(6, 7, frames)
    equal(ours.decode_gif(data), pillows_frames(data, "RGB"))


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"quality": 20}])
@pytest.mark.parametrize("channels", [3, 4])
def test_webp(channels, options):
    for height, width in ((37, 53), (1, 1), (16, 3)):
        data = saved(photo(height, width, channels), "WEBP", **options)
        for mode in ("UNCHANGED", "RGB", "RGBA"):
            expected = channels_last(theirs.decode_webp(tensor(data), mode=mode))
            equal(ours.decode_webp(data, mode), np.ascontiguousarray(expected))
            equal(ours.decode_image(data, mode), np.ascontiguousarray(expected))
        assert ours.decode_webp(data, "GRAY").shape == (height, width, 1)


def test_webp_with_clear_pixels():
    """The colour of a pixel that is not seen."""
    values = photo(16, 16, 4)
    values[:8, :, 3] = 0
    for options in ({}, {"lossless": True, "exact": True}):
        data = saved(values, "WEBP", **options)
        equal(ours.decode_webp(data), channels_last(theirs.decode_webp(tensor(data))))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_animations(format, channels):
    frames = [PIL.Image.fromarray(photo(16, 24, channels, seed)) for seed in range(3)]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:], duration=40)
    found = ours.decode_image(data)
    assert found.shape == (3, 16, 24, channels)
    equal(found, pillows_frames(data, "RGB" if channels == 3 else "RGBA"))
    decode = {"WEBP": ours.decode_webp, "AVIF": ours.decode_avif}[format]
    equal(decode(data, "RGB"), found[..., :3].copy())


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif(channels):
    data = saved(photo(channels=channels), "AVIF")
    with PIL.Image.open(io.BytesIO(data)) as image:
        equal(ours.decode_avif(data), np.asarray(image).reshape(37, 53, channels))
        equal(ours.decode_avif(data, "RGBA"), np.asarray(image.convert("RGBA")))
        equal(ours.decode_avif(data, "GRAY"), np.asarray(image.convert("L"))[..., None], atol=1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_heic(channels):
    pillow_heif = pytest.importorskip("pillow_heif")
    image = PIL.Image.fromarray(photo(32, 48, channels)[..., 0] if channels == 1 else photo(32, 48, channels))
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90)
    expected = np.asarray(pillow_heif.open_heif(buffer).to_pillow())
    expected = expected[..., None] if expected.ndim == 2 else expected
    equal(ours.decode_heic(buffer.getvalue()), expected)
    equal(ours.decode_image(buffer.getvalue()), expected)
    assert ours.decode_heic(buffer.getvalue(), "RGBA").shape == (32, 48, 4)


def test_heic_of_ten_bits():
    pillow_heif = pytest.importorskip("pillow_heif")
    values = np.repeat(np.linspace(0, 65535, 32 * 48).astype(np.uint16).reshape(32, 48, 1), 3, -1)
    file = pillow_heif.from_bytes("RGB;16", (48, 32), values.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=-1)
    found = ours.decode_heic(buffer.getvalue())
    assert (found.dtype, found.shape) == (np.uint16, (32, 48, 3))
    assert np.abs(found.astype(int) - values).max() < 1 << 10
    assert (found % 257 != 0).any(), "more than 8 bits are there"


@pytest.mark.parametrize("channels", [1, 3])
def test_encoders(channels, tmp_path):
    image = photo(channels=channels)
    planes = torch.from_numpy(image).movedim(-1, 0).contiguous()
    for quality in (20, 75, 100):
        data = ours.encode_jpeg(image, quality)
        assert (data.dtype, data.ndim) == (np.uint8, 1)
        equal(ours.decode_jpeg(data), channels_last(theirs.decode_jpeg(theirs.encode_jpeg(planes, quality))))
    for level in (0, 6, 9):
        data = ours.encode_png(image, level)
        equal(channels_last(theirs.decode_png(torch.from_numpy(data))), image)
    ours.write_jpeg(image, tmp_path / "x.jpg", 90)
    ours.write_png(image, tmp_path / "x.png", 1)
    equal(ours.read_image(tmp_path / "x.png"), image)
    equal(ours.read_image(str(tmp_path / "x.jpg")), channels_last(theirs.read_image(str(tmp_path / "x.jpg"))))
    equal(ours.read_file(tmp_path / "x.jpg"), theirs.read_file(str(tmp_path / "x.jpg")).numpy())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_encoder_with_all_channels_and_depths(channels, dtype):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (11, 6, channels), dtype, endpoint=True)
    data = ours.encode_png(image)
    equal(ours.decode_png(data), image)
    equal(channels_last(theirs.decode_png(torch.from_numpy(data))), image)
