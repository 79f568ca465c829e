"""Decoding of images: what the decoders take, limits, damage, and the resizing of JPEG."""

import io
import json
import pathlib
import re
import subprocess
import sys
import threading
import zlib

import numpy as np
import PIL.Image
import pytest

from funcvision.vision import io as ours
from funcvision.vision.io import _jpeg, modes
from tests.vision.io.image_files import PALETTE, gif, gif_frame, photo, png, png_chunk, saved, with_orientation

ROOT = pathlib.Path(__file__).parents[3]
JPEG, PROGRESSIVE = saved(photo(), "JPEG"), saved(photo(), "JPEG", progressive=True)
PNG = png(photo(), 8, 2)
GIF = gif(6, 7, [gif_frame(np.random.default_rng(0).integers(0, 4, (6, 7))) for _ in range(3)])
WEBP, AVIF = saved(photo(), "WEBP"), saved(photo(), "AVIF")
FILES = {"x.jpg": JPEG, "progressive.jpg": PROGRESSIVE, "x.png": PNG, "x.gif": GIF, "x.webp": WEBP, "x.avif": AVIF}


@pytest.fixture(params=["pillow", "simplejpeg"])
def jpeg_decoder(request, monkeypatch):
    """Runs a test with each package that may decode JPEG."""
    package = pytest.importorskip("simplejpeg") if request.param == "simplejpeg" else None
    monkeypatch.setattr(_jpeg, "simplejpeg", lambda: package)


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_input_gives_the_same(tmp_path, name):
    data, path = FILES[name], tmp_path / name
    path.write_bytes(data)
    expected = ours.decode_image(data)
    with open(path, "rb") as file:
        inputs = [
            bytearray(data), memoryview(data), np.frombuffer(data, np.uint8), str(path), path, io.BytesIO(data), file,
            ours.read_file(path),
        ]  # fmt: skip
        for found in [*map(ours.decode_image, inputs), ours.read_image(path), ours.read_image(str(path))]:
            np.testing.assert_array_equal(found, expected)
    assert expected.dtype == np.uint8
    assert expected.flags.writeable


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_a_list_gives_a_list_in_its_order(tmp_path, threads):
    images = [photo(4 + i, 5) for i in range(7)]
    files: list = [ours.encode_png(image) for image in images]
    files[3] = tmp_path / "x.png"
    ours.write_png(images[3], files[3])
    found = ours.decode_image(files, threads=threads)
    assert isinstance(found, list)
    for one, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(one, image)
    assert [x.shape for x in ours.decode_png(tuple(files), "GRAY")] == [(4 + i, 5, 1) for i in range(7)]
    assert ours.decode_image([]) == []
    with pytest.raises(ValueError, match=r"the data \(3 bytes\) cannot be read as an image"):
        ours.decode_image([*files, b"abc"], threads=threads)


def test_a_list_is_decoded_by_several_threads():
    names = set()

    class File(io.BytesIO):
        def read(self, *size):
            names.add(threading.current_thread().name)
            barrier.wait(20)
            return super().read(*size)

    barrier = threading.Barrier(2)
    ours.decode_png([File(PNG) for _ in range(2)], threads=2)
    assert len(names) == 2
    assert threading.current_thread().name not in names


@pytest.mark.parametrize("decode", [ours.decode_jpeg, ours.decode_png, ours.decode_image])
def test_modes_have_names(decode):
    data = PNG if decode is ours.decode_png else JPEG
    for mode in ours.ImageReadMode:
        found = decode(data, mode)
        np.testing.assert_array_equal(found, decode(data, mode.name.lower()))
        assert found.shape[-1] == (mode.value or 3)
    np.testing.assert_array_equal(decode(data, "RGBA"), decode(data, ours.ImageReadMode.RGB_ALPHA))
    for mode in ("BGR", 3, None):
        with pytest.raises(ValueError, match=f"mode is {mode!r}; it must be one of UNCHANGED, GRAY, GRAY_ALPHA, RGB"):
            decode(data, mode)


def test_what_is_no_input_is_refused(tmp_path):
    for source in (3, None, {"a": 1}):
        with pytest.raises(TypeError, match=f"not as {type(source).__name__}"):
            ours.decode_image(source)  # pyright: ignore
    for array in (np.zeros((2, 2), np.uint8), np.zeros(3)):
        with pytest.raises(TypeError, match="has dtype uint8 and one dimension"):
            ours.decode_image(array)
    with pytest.raises(TypeError, match="binary mode"):
        ours.decode_image(io.StringIO("abc"))  # pyright: ignore
    with pytest.raises(ValueError, match="the data is empty"):
        ours.decode_image(b"")
    with pytest.raises(FileNotFoundError):
        ours.decode_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match="device is 'cuda'; images are decoded on the cpu"):
        ours.decode_jpeg(JPEG, device="cuda")
    for size in ((0, 3), (3,), (-1, 2)):
        with pytest.raises(ValueError, match="it must be"):
            ours.decode_jpeg(JPEG, size=size)  # pyright: ignore


@pytest.mark.parametrize("name", FILES)
def test_the_limit_of_pixels(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    pixels = int(np.prod(ours.decode_image(path).shape[:-1]))
    np.testing.assert_array_equal(ours.decode_image(path, max_pixels=pixels), ours.decode_image(path, max_pixels=None))
    message = f"{path} ({len(FILES[name])} bytes) cannot be read as an image: it has "
    with pytest.raises(ValueError, match=re.escape(message) + ".*max_pixels"):
        ours.decode_image(path, max_pixels=pixels - 1)


@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.avif"])
def test_a_large_image_is_copied_in_parts(name, monkeypatch):
    expected = ours.decode_image(FILES[name])
    for limit in (1, 53 * 5, 53 * 36):
        monkeypatch.setattr(modes, "COPIED_PIXELS", limit)
        found = ours.decode_image(FILES[name])
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    deep = png(photo(9, 11, 2).astype(int) * 257, 16, 4)
    np.testing.assert_array_equal(ours.decode_png(deep), photo(9, 11, 2).astype(np.uint16) * 257)


def test_small_files_that_claim_to_be_huge():
    at = JPEG.index(b"\xff\xc0") + 5
    huge = {
        "65500 x 65500": JPEG[:at] + b"\xff\xdc\xff\xdc" + JPEG[at + 4 :],
        "4294967295 x 2147483647": PNG[:8] + png_chunk(b"IHDR", b"\x7f" + b"\xff" * 7 + PNG[24:29]) + PNG[33:],
        "65535 x 65535": gif(65535, 65535, [gif_frame(np.zeros((1, 1), int))]),
        "16383 x 16383": WEBP[:26] + b"\xff\x3f\xff\x3f" + WEBP[30:],
        "8900 x 10000 x 2 frames": gif(8900, 10000, 2 * [gif_frame(np.zeros((1, 1), int))]),
    }
    for size, data in huge.items():
        with pytest.raises(ValueError, match=f"it has {size} pixels, more than the 89,478,485 that max_pixels allows"):
            ours.decode_image(data)
    with pytest.raises(ValueError, match="has more than 67,108,872 bytes"):
        ours.decode_image(bytes(1 << 27), max_pixels=1)
    with pytest.raises(ValueError, match="more bytes than its size needs"):  # and not all 100 MB
        ours.decode_png(PNG[:8] + png_chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
                        + png_chunk(b"IDAT", zlib.compress(bytes(100_000_000))) + png_chunk(b"IEND", b""))  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path, name):
    path = tmp_path / name
    for size in {*range(1, 40), *range(40, len(FILES[name]), 37), len(FILES[name]) - 1}:
        path.write_bytes(FILES[name][:size])
        with pytest.raises(ValueError, match=re.escape(f"{path} ({size} bytes) cannot be read as an image: ")):
            ours.decode_image(path)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0}])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.usefixtures("jpeg_decoder")
def test_a_short_scan_before_a_correct_end_is_refused(options, channels):
    data = saved(photo(61, 83, channels), "JPEG", **options)
    scans = list(_jpeg.read_scans(data))
    assert len(scans) > 1 or "progressive" not in options
    for _, end in scans:
        for missing in (40, 100, 300):
            if data.rfind(b"\xff\xda", 0, end) + 14 < end - missing:
                with pytest.raises(ValueError, match=r"end early|cannot be read as JPEG"):
                    ours.decode_jpeg(data[: end - missing] + data[end:])
    np.testing.assert_array_equal(ours.decode_jpeg(data), ours.decode_jpeg(data + b"something else"))


@pytest.mark.usefixtures("jpeg_decoder")
def test_scans_that_are_missing_or_too_many():
    scans = list(_jpeg.read_scans(PROGRESSIVE))
    for _, end in scans[:-1]:
        with pytest.raises(ValueError, match="scans are missing"):
            ours.decode_jpeg(PROGRESSIVE[:end] + b"\xff\xd9")
    start = PROGRESSIVE.rfind(b"\xff\xda")
    last = PROGRESSIVE[start : scans[-1].end]
    with pytest.raises(ValueError, match="it has 600 scans, and more than 500 are refused"):
        ours.decode_jpeg(PROGRESSIVE[:start] + last * (600 - len(scans) + 1) + b"\xff\xd9")


def test_a_marker_inside_the_data_of_a_scan():
    middle = _jpeg.read_scans(JPEG).__next__().end - 200
    for marker, message in ((b"\xff\x3c", "contain the marker 0x3c"), (b"\xff\xfe\0\2", "interrupted by a marker")):
        with pytest.raises(ValueError, match=message):
            _jpeg.with_pillow(JPEG[:middle] + marker + JPEG[middle:], _jpeg.read_frame(JPEG), gray=False)


def test_a_header_with_two_sizes_is_refused():
    at = JPEG.index(b"\xff\xc0")
    frame = JPEG[at : at + 19]
    smaller = frame[:5] + b"\0\x05\0\x05" + frame[9:]
    for data in (JPEG[:at] + smaller + JPEG[at:], JPEG[: at + 19] + smaller + JPEG[at + 19 :]):
        with pytest.raises(ValueError, match=r"two different sizes|libjpeg"):
            ours.decode_jpeg(data)


def test_what_simplejpeg_refuses_pillow_reads():
    """Bytes between segments that do not belong there only cause a warning of libjpeg."""
    at = JPEG.index(b"\xff\xda")
    odd = JPEG[:at] + b"\0\0\0" + JPEG[at:]
    simplejpeg = pytest.importorskip("simplejpeg")
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(odd)
    np.testing.assert_array_equal(ours.decode_jpeg(odd), ours.decode_jpeg(JPEG))


@pytest.mark.parametrize("size", [(37, 53), (20, 30), (3, 5), (1, 1), (64, 40), (200, 10)])
@pytest.mark.parametrize("mode", ["UNCHANGED", "GRAY", "RGBA"])
def test_jpeg_is_resized_to_the_size(size, mode):
    data = saved(photo(160, 240), "JPEG", quality=95)
    found = ours.decode_jpeg(data, mode, size=size)
    whole = PIL.Image.fromarray(ours.decode_jpeg(data, mode).squeeze())
    expected = np.asarray(whole.resize(size[::-1], PIL.Image.Resampling.BILINEAR)).reshape(found.shape)
    assert found.shape[:2] == size
    assert np.abs(found.astype(int) - expected).mean() < 3
    turned = saved(photo(160, 240), "JPEG", quality=95, exif=with_orientation(6))
    assert ours.decode_jpeg(turned, mode, exif=True, size=size).shape == found.shape


def test_jpeg_of_cmyk_is_resized():
    values = np.concatenate([photo(), photo(channels=1)], -1)
    data = saved(PIL.Image.frombytes("CMYK", (53, 37), values.tobytes()), "JPEG")
    assert ours.decode_jpeg(data, size=(9, 8)).shape == (9, 8, 4)
    assert ours.decode_jpeg(data, "RGB", size=(9, 8)).shape == (9, 8, 3)


def test_png_checksums_and_headers():
    def replaced(**values):
        header = dict(zip(("width", "height", "depth", "color", "compression", "filter", "interlace"),
                          (53, 37, 8, 2, 0, 0, 0), strict=True)) | values  # fmt: skip
        content = header.pop("width").to_bytes(4, "big") + header.pop("height").to_bytes(4, "big")
        return PNG[:8] + png_chunk(b"IHDR", content + bytes(header.values())) + PNG[33:]

    assert replaced() == PNG
    for values, message in (
        ({"depth": 3}, "invalid values"), ({"color": 5}, "invalid values"), ({"interlace": 2}, "invalid values"),
        ({"compression": 1}, "invalid values"), ({"width": 0}, "its size is 37 x 0"), ({"color": 3}, "palette has 0"),
        ({"height": 38}, "cut off: 160 bytes of its pixels are missing"), ({"color": 6}, "cut off"),
        ({"height": 36}, "more bytes than its size needs"), ({"interlace": 1}, "more bytes than|cut off"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            ours.decode_png(replaced(**values))
    stream = bytearray(zlib.compress(b"".join(b"\0" + row.tobytes() for row in photo())))
    with pytest.raises(ValueError, match="the checksum of its pixels is missing"):
        ours.decode_png(PNG[:33] + png_chunk(b"IDAT", bytes(stream[:-4])) + png_chunk(b"IEND", b""))
    stream[-1] ^= 1
    chunks = png_chunk(b"IDAT", bytes(stream)) + png_chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="incorrect data check"):
        ours.decode_png(PNG[:33] + chunks)
    wrong = bytearray(PNG)
    wrong[-20] ^= 1
    with pytest.raises(ValueError, match="the checksum of a chunk b'IDAT' is wrong"):
        ours.decode_png(bytes(wrong))
    with pytest.raises(ValueError, match="a chunk b'NEWC', which must be understood"):
        ours.decode_png(PNG[:33] + png_chunk(b"NEWC", b"") + PNG[33:])
    np.testing.assert_array_equal(ours.decode_png(PNG[:33] + png_chunk(b"neWc", b"x") + PNG[33:]), photo())


def test_gif_without_colors_without_end_and_with_short_data():
    pixels = np.zeros((6, 7), int)
    with pytest.raises(ValueError, match="a frame has no colours"):
        ours.decode_gif(gif(6, 7, [gif_frame(pixels)], palette=b""))
    assert ours.decode_gif(gif(6, 7, [gif_frame(pixels, palette=PALETTE)], palette=b"")).shape == (6, 7, 3)
    with pytest.raises(ValueError, match="it has no image"):
        ours.decode_gif(gif(6, 7, []))
    short = gif_frame(np.zeros((3, 7), int)).replace(b"\x07\0\x03\0", b"\x07\0\x06\0")
    with pytest.raises(ValueError, match="truncated"):
        ours.decode_gif(gif(6, 7, [short]))


def test_formats_are_not_taken_for_another():
    decoders = {"x.jpg": ours.decode_jpeg, "x.png": ours.decode_png, "x.gif": ours.decode_gif,
                "x.webp": ours.decode_webp, "x.avif": ours.decode_avif}  # fmt: skip
    for name, decode in decoders.items():
        for other, data in FILES.items():
            if not other.endswith(name[1:]):
                with pytest.raises(ValueError, match=r"the data \(\d+ bytes\) cannot be read as "):
                    decode(data)
    with pytest.raises(ValueError, match="those of no JPEG, PNG, GIF, WebP, AVIF or HEIC"):
        ours.decode_image(saved(photo(), "TIFF"))


def test_heic_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImportError, match=r'reading HEIC needs pillow-heif: pip install "funcvision\[heif\]"'):
        ours.decode_heic(b"\0\0\0\x18ftypheic")


def test_encoders_refuse_other_images(tmp_path):
    for image in (np.zeros((2, 2, 5), np.uint8), np.zeros((2, 2, 3), np.float32), np.zeros((0, 2, 3), np.uint8),
                  np.zeros((1, 2, 2, 3), np.uint8)):  # fmt: skip
        for encode in (ours.encode_png, ours.encode_jpeg):
            with pytest.raises(ValueError, match=re.escape(f"dtype {image.dtype} and shape {image.shape}")):
                encode(image)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        ours.encode_jpeg(np.zeros((2, 2, 4), np.uint8))
    for quality in (0, 101):
        with pytest.raises(ValueError, match=f"quality is {quality}"):
            ours.encode_jpeg(photo(), quality)
    for level in (-1, 10):
        with pytest.raises(ValueError, match=f"compression_level is {level}"):
            ours.encode_png(photo(), level)
    with pytest.raises(TypeError, match="one dimension"):
        ours.write_file(tmp_path / "x", photo())
    ours.write_file(tmp_path / "x", b"abc")
    assert ours.read_file(tmp_path / "x").tobytes() == b"abc"
    assert [len(x) > 0 for x in ours.encode_jpeg([photo(), photo(4, 4, 1)])] == [True, True]
    np.testing.assert_array_equal(ours.decode_png(ours.encode_png([photo()[..., 0]]))[0], photo()[..., :1])


def test_damaged_files_are_refused_or_decoded():
    """See `damage.py`: no crash, no hang, little memory, and no wrong pixels where the format has a checksum."""
    command = [sys.executable, "-m", "tests.vision.io.damage"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    results = [json.loads(line) for line in process.stdout.splitlines()]
    assert {result["format"].split()[0] for result in results} >= {"jpeg", "png", "gif", "webp", "avif", "heic"}
    for result in results:
        assert result["refused"] + result["decoded"] > 150
        assert result["refused"] > 60
        assert result["wrong"] == []
        assert result["longest"] < 2
        assert result["peak"] < 1 << 30
