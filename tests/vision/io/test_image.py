"""Opening image files: depth, orientation, limits, and files that are no images."""

import io
import re
import sys
import warnings

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageFile
import PIL.ImageOps
import pytest

from funcvision import cli
from funcvision.vision import models
from funcvision.vision.datasets import ImageFolder, default_loader
from funcvision.vision.io import _jpeg, open_image

RAMP = np.linspace(0, 65535, 24).astype(np.uint16).reshape(4, 6)


def grey(path, **options):
    """The grey values of a file, after a check that its channels are equal."""
    pixels = np.asarray(open_image(path, **options))
    assert pixels.dtype == np.uint8
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.pgm", "x.jp2"])
def test_sixteen_bits_keep_their_upper_eight(tmp_path, name):
    PIL.Image.fromarray(RAMP).save(tmp_path / name)
    np.testing.assert_array_equal(grey(tmp_path / name), RAMP // 256)
    assert grey(tmp_path / name).max() == 255
    assert len(np.unique(grey(tmp_path / name))) == 24, "it is not all white"


def test_sixteen_bits_in_the_other_byte_order_or_with_white_as_zero(tmp_path):
    PIL.Image.frombytes("I;16B", (6, 4), RAMP.astype(">u2").tobytes()).save(tmp_path / "big.tif")
    np.testing.assert_array_equal(grey(tmp_path / "big.tif"), RAMP // 256)
    PIL.Image.fromarray(RAMP).save(tmp_path / "white.tif", tiffinfo={262: 0})
    with PIL.Image.open(tmp_path / "white.tif") as file:
        assert file.tag_v2[262] == 0
    np.testing.assert_array_equal(grey(tmp_path / "white.tif"), 255 - RAMP // 256)


def test_twelve_bits_of_a_tiff_have_their_own_range(tmp_path):
    first, second = 0xABC, 0x123
    rows = np.array([[first >> 4, (first & 15) << 4 | second >> 8, second & 255]], np.uint8)
    tags = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 273: 0, 277: 1, 278: 1, 279: 3}
    offset = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little")
        + (offset if tag == 273 else value).to_bytes(4, "little") for tag, value in tags.items()
    )
    header = b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little") + entries + bytes(4)
    (tmp_path / "x.tif").write_bytes(header + rows.tobytes())
    np.testing.assert_array_equal(grey(tmp_path / "x.tif"), [[0xAB, 0x12]])


@pytest.mark.parametrize(
    ("name", "array", "mode", "kind"),
    [("x.tif", RAMP.astype(np.int32), "I", "integers of 32 bits"), ("x.tif", RAMP / np.float32(65535), "F", "floats"),
     ("x.pfm", RAMP.astype(np.float32), "F", "floats")],
)  # fmt: skip
def test_values_of_unknown_range_are_refused_by_name(tmp_path, name, array, mode, kind):
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / name
    PIL.Image.fromarray(array).save(path, "PPM" if name == "x.pfm" else None)
    found = ImageFolder(tmp_path, is_valid_file=lambda path: True)
    for read in (open_image, default_loader, lambda path: found[0]):
        with pytest.raises(ValueError, match=re.escape(f"{path} has mode '{mode}': its values are {kind}, and")):
            read(str(path))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_eight_bits_are_as_pillow_converts_them(tmp_path, mode):
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    image = PIL.Image.fromarray(noise)
    if mode == "LAB":
        lab = PIL.ImageCms.createProfile("LAB")
        image = PIL.ImageCms.profileToProfile(image, PIL.ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    path = tmp_path / ("x.tif" if mode in ("CMYK", "YCbCr", "LAB") else "x.png")
    image.convert(mode).save(path)
    with PIL.Image.open(path) as file:
        expected = np.asarray(file.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(open_image(path)), expected)


ORIENTATION = 0x0112


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif", "deep.png"])
def test_exif_orientation(tmp_path, name, orientation):
    """`exif=True` shows what ImageOps.exif_transpose does; without it only TIFF is turned, by Pillow itself."""
    values = np.random.default_rng(orientation).integers(0, 256, (16, 24, 3), np.uint8)
    image = PIL.Image.fromarray(values[..., 0].astype(np.uint16) * 257 if name == "deep.png" else values)
    tags = image.getexif()
    tags[ORIENTATION] = orientation
    path = tmp_path / "a" / name
    path.parent.mkdir()
    image.save(path, exif=tags, **({"lossless": True} if name == "x.webp" else {}))
    upright, stored = open_image(path, exif=True), open_image(path)
    turned = orientation > 4
    assert upright.size == ((16, 24) if turned else (24, 16))
    assert stored.size == (upright.size if name == "x.tif" else (24, 16))
    with PIL.Image.open(path) as file:
        expected = PIL.ImageOps.exif_transpose(file)
        expected = np.asarray(expected)[..., None] // 256 if name == "deep.png" else np.asarray(expected)
    np.testing.assert_array_equal(np.asarray(upright), np.broadcast_to(expected, (*upright.size[::-1], 3)))
    for found, image in ((ImageFolder(tmp_path, exif=True), upright), (ImageFolder(tmp_path), stored)):
        assert found[0][0].tobytes() == image.tobytes()
        assert found[0][0].size == image.size


def test_exif_and_a_loader_of_ones_own(tmp_path):
    (tmp_path / "a").mkdir()
    PIL.Image.new("L", (2, 2)).save(tmp_path / "a" / "x.png")
    with pytest.raises(ValueError, match="exif=True is for the default loader"):
        ImageFolder(tmp_path, loader=PIL.Image.open, exif=True)


@pytest.fixture
def photo(tmp_path):
    """A photo of 40 x 30 pixels in a class folder."""
    path = tmp_path / "a" / "photo.png"
    path.parent.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    PIL.Image.fromarray(noise).save(path)
    return path


@pytest.mark.parametrize(("limit", "action"), [(599, "error"), (599, "default"), (1199, "error")])
def test_too_many_pixels_are_refused_with_the_limit(photo, monkeypatch, limit, action):
    """Pillow refuses more than twice its limit, and warns above it; a warning may be an error."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", limit)
    found = ImageFolder(photo.parent.parent)
    allowed, does = (1198, "refuses") if limit == 599 else (1199, "warns of")
    message = f"{photo} ({photo.stat().st_size} bytes) is an image of more than {allowed:,} pixels, which Pillow {does}"
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        for read in (open_image, default_loader, lambda path: found[0]):
            with pytest.raises(ValueError, match=re.escape(message) + ".*MAX_IMAGE_PIXELS = None.*--any-size"):
                read(str(photo))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    assert open_image(photo).size == (40, 30)


def test_at_the_warning_level_the_image_is_read(photo, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1199)
    with pytest.warns(PIL.Image.DecompressionBombWarning):
        assert open_image(photo).size == (40, 30)


def test_memory_that_does_not_suffice_is_not_a_damaged_file(photo, monkeypatch):
    def load(self):
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(MemoryError, match=re.escape(f"{photo} (") + ".*unpacks to more pixels than fit into memory"):
        open_image(photo)


@pytest.fixture
def classify(monkeypatch, capsys):
    """`funcvision classify` with a stand-in for the model; gives status, stderr and the image that was classified."""
    class Stand:
        preparation = "as it is"
        seen = None

        def __call__(self, image, *, top):
            self.seen = image
            return [("Äpfel", 0.5)]

    stand = Stand()
    monkeypatch.setattr(models.Predictor, "load", lambda *arguments, **options: stand)

    def run(*arguments):
        stand.seen = None
        status = cli.main(["classify", *map(str, arguments)])
        return status, capsys.readouterr().err, stand.seen

    return run


def test_classify_turns_the_image(tmp_path, classify):
    image = PIL.Image.new("L", (8, 4))
    tags = image.getexif()
    tags[ORIENTATION] = 6
    image.save(tmp_path / "x.jpg", exif=tags)
    status, _, seen = classify(tmp_path / "x.jpg")
    assert (status, seen.size, seen.mode) == (0, (4, 8), "RGB")
    PIL.Image.fromarray(RAMP).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(np.asarray(classify(tmp_path / "deep.png")[2])[..., 0], RAMP // 256)


def test_classify_says_what_is_wrong_in_one_sentence(photo, tmp_path, monkeypatch, classify):
    cut, text, number = tmp_path / "cut.png", tmp_path / "text.png", tmp_path / "float.tif"
    cut.write_bytes(photo.read_bytes()[:200])
    text.write_text("no image", encoding="utf-8")
    PIL.Image.fromarray(np.ones((2, 2), np.float32)).save(number)
    for path, message in (
        (cut, "cut.png (200 bytes) is not an image, or is damaged: it is cut off"),
        (text, "text.png (8 bytes) is not an image, or is damaged: no format that Pillow reads is recognised"),
        (number, "float.tif has mode 'F': its values are floats"),
        (tmp_path, ": Is a directory"), (tmp_path / "none.png", "none.png: No such file or directory"),
    ):
        status, err, seen = classify(path)
        assert (status, seen) == (2, None)
        assert message in err
        assert err.startswith("funcvision: ")
        assert err.count("\n") == 1
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 500)
    status, err, _ = classify(photo)
    assert status == 2
    assert re.fullmatch(r"funcvision: .* more than 1,000 pixels, which Pillow refuses .*--any-size.*\n", err)
    status, err, seen = classify(photo, "--any-size")
    assert (status, err, seen.size) == (0, "prepared as it is\n", (40, 30))
    assert PIL.Image.MAX_IMAGE_PIXELS == 500, "the limit is lifted for this file only"
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    status, err, seen = classify(photo)
    first, second = err.splitlines()
    assert (status, second, seen.size) == (0, "prepared as it is", (40, 30))
    assert first == (
        f"{photo} has 1,200 pixels, more than the 1,000 above which Pillow warns; it is read all the same, and above "
        f"2,000 it would not be"
    )


def test_classify_reads_the_names_of_classes_as_utf_8(photo, tmp_path, monkeypatch, classify):
    given = {}
    load = models.Predictor.load
    monkeypatch.setattr(models.Predictor, "load", lambda *a, **options: given.update(options) or load(*a, **options))
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "classes.txt").write_text("Äpfel\nBirnen\n", encoding=encoding)
        assert classify(photo, "--classes", tmp_path / "classes.txt")[0] == 0
        assert given["categories"] == ["Äpfel", "Birnen"]
    (tmp_path / "classes.txt").write_text("Äpfel\n", encoding="latin-1")
    status, err, _ = classify(photo, "--classes", tmp_path / "classes.txt")
    assert status == 2
    assert f"funcvision: {tmp_path / 'classes.txt'} is not a text file in UTF-8: " in err


def test_classify_prints_every_name_in_every_encoding(photo, monkeypatch, classify):
    for encoding, printed in (("utf-8", "Äpfel"), ("latin-1", "Äpfel"), ("ascii", r"\xc4pfel")):
        buffer = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", stdout := io.TextIOWrapper(buffer, encoding=encoding))
        assert classify(photo)[0] == 0
        stdout.flush()
        assert buffer.getvalue().decode(encoding) == f" 50.00%  {printed}\n"


def saved(format, **options):
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 95, "subsampling": 0}])
def test_jpeg_scans_that_end_early_are_refused(tmp_path, monkeypatch, options):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    data, path = saved("JPEG", exif=exif, **options), tmp_path / "a.jpg"
    end = list(_jpeg.read_scans(data))[-1].end
    path.write_bytes(data)
    expected = PIL.Image.open(io.BytesIO(data)).convert("RGB")
    for given in (path, data):
        found = open_image(given)
        assert (found.mode, found.tobytes(), found.info.keys()) == ("RGB", expected.tobytes(), expected.info.keys())
        turned = PIL.ImageOps.exif_transpose(expected)
        assert open_image(given, exif=True).tobytes() == turned.tobytes()
    assert open_image(data + b"more").tobytes() == expected.tobytes()
    path.write_bytes(data[: end - 60] + data[end:])
    with pytest.raises(ValueError, match=r"a\.jpg \(\d+ bytes\) is not an image, or is damaged"):
        open_image(path)
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert open_image(path).size == (50, 40)


def test_gif_and_png_that_are_cut_are_refused(tmp_path, monkeypatch):
    frames = [PIL.Image.new("P", (30, 20), i) for i in range(3)]
    animation = saved("GIF", save_all=True, append_images=frames)
    for name, data in {"a.gif": animation, "b.gif": saved("GIF"), "a.png": saved("PNG")}.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert open_image(path).tobytes() == PIL.Image.open(io.BytesIO(data)).convert("RGB").tobytes()
        for missing in (1, 5, 12, len(data) // 2):
            path.write_bytes(data[:-missing])
            with pytest.raises(ValueError, match=rf"{name} \({len(data) - missing} bytes\) is not an image, or is"):
                open_image(path)
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert open_image(path).size == (50, 40)
