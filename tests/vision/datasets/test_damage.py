"""Damaged files of the formats of detection, flow and stereo: one error that names the file, and nothing worse."""

import itertools
import json
import pathlib
import time
import tracemalloc

import numpy as np
import pytest

from funcvision.vision import datasets
from funcvision.vision.datasets import _formats
from funcvision.vision.datasets._unconverted import open_unconverted
from funcvision.vision.io import decode_png
from tests.vision.datasets.damage import mutations
from tests.vision.datasets.layouts import write
from tests.vision.datasets.layouts.coco import make_coco
from tests.vision.datasets.layouts.voc import annotation, make_sbd

GIGABYTE = 1 << 30


def grey16(path):
    write.numbers16(path)


def colour16(path):
    write.flow16(path)


def pfm3(path):
    write.pfm(path, 3)


def xml(path):
    write.text(path, annotation("a", 3))


def mat(path):
    make_sbd(path.parent)
    path.write_bytes(next((path.parent / "cls").iterdir()).read_bytes())


def coco(path):
    make_coco(path.parent)
    path.write_bytes((path.parent / "instances.json").read_bytes())


def mask(path):
    write.image(path.with_suffix(".png"), "P")
    path.with_suffix(".png").rename(path)


def arrays(value):
    """What a parser returned, as nested lists of plain values."""
    if isinstance(value, _formats.CocoAnnotations):
        return value.dataset
    if isinstance(value, dict):
        return {k: arrays(v) for k, v in value.items()}
    return np.asarray(value.toarray() if hasattr(value, "toarray") else value).tolist()


FORMATS = {  # writer, parser, whether the format has a check of every byte
    "png16 grey": (grey16, decode_png, True),
    "png16 colour": (colour16, decode_png, True),
    "flo": (write.flo, _formats.read_flo, False),
    "pfm": (write.pfm, _formats.read_pfm, False),
    "pfm of 3 channels": (pfm3, _formats.read_pfm, False),
    "voc xml": (xml, _formats.read_voc_xml, False),
    "mat": (mat, _formats.read_mat, False),
    "coco json": (coco, _formats.CocoAnnotations, False),
    "mask": (mask, open_unconverted, True),
}


@pytest.mark.parametrize("name", FORMATS)
def test_200_mutations(tmp_path, name):
    make, parse, checked = FORMATS[name]
    path = tmp_path / "file"
    make(path)
    content, intact = path.read_bytes(), arrays(parse(path))
    messages, began = [], time.monotonic()
    tracemalloc.start()
    for damaged in mutations(content):
        path.write_bytes(damaged)
        try:
            found = arrays(parse(path))
        except ValueError as error:
            messages.append(str(error))
        else:
            assert not checked or found == intact, "wrong data in silence"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(messages) >= 50
    assert all(str(path) in message for message in messages)
    assert peak < GIGABYTE
    assert time.monotonic() - began < 60


def test_variables_of_a_mat_file_are_never_wrong_in_silence(tmp_path):
    path = tmp_path / "file"
    mat(path)
    content, intact = path.read_bytes(), arrays(_formats.read_mat(path)["GTcls"][0]["Segmentation"][0])
    for damaged in mutations(content[128:]):
        path.write_bytes(content[:128] + damaged)
        try:
            variables = _formats.read_mat(path)
        except ValueError:
            continue
        assert "GTcls" not in variables or arrays(variables["GTcls"][0]["Segmentation"][0]) == intact


def test_damaged_segmentations():
    """Characters and numbers of run lengths and polygons: a mask of the right size, or a ValueError."""
    random = np.random.default_rng(0)
    packed = "d0n0X1d0j1"
    refused = 0
    for i in range(200):
        at, character = int(random.integers(len(packed))), chr(int(random.integers(33, 126)))
        changed = packed[:at] + character + packed[at + 1 :]
        damaged = [changed, packed[:at], packed[at:] + packed, packed + "o" * at][i % 4]
        try:
            found = _formats.read_segmentation({"size": [14, 17], "counts": damaged}, 14, 17)
        except ValueError:
            refused += 1
        else:
            assert found.shape == (14, 17)
    assert refused > 100


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [14, 17], "counts": [2**62, 2**62]}, "do not fill"),
        ({"size": [14, 17], "counts": [10**40]}, "no list of whole numbers"),
        ({"size": [14, 17], "counts": [-5, 243]}, "do not fill"),
        ({"size": [14, 17], "counts": [1.5, 236.5]}, "no list of whole numbers"),
        ({"size": [14, 17], "counts": None}, "no list of whole numbers"),
        ({"size": [14, 17], "counts": "oooooooooooooooo0"}, "too many characters"),
        ({"size": [17, 14], "counts": [238]}, r"has the size \[17, 14\]"),
        ({"size": 5, "counts": [238]}, "has the size 5"),
        ({"counts": [238]}, r"a dict of \['counts'\]"),
        ([[1e9, 0, 0, 1e9, 5, 5]], "reaches too far"),
        ([[1e300, 0, 0, 1e300, 5, 5]], "reaches too far"),
        ([[float("nan"), 0, 0, 1, 5, 5]], "no list of coordinates"),
        ([[1, 2, 3]], "no list of coordinates"),
        ([["a", "b"]], "no list of coordinates"),
        ([[[1, 2], [3, 4]]], "no list of coordinates"),
        ([1, 2, 3, 4], "no list of coordinates"),
        ("mask", "expected polygons"),
        (5, "expected polygons"),
    ],
)
def test_absurd_segmentations(segmentation, message):
    with pytest.raises(ValueError, match=message):
        _formats.read_segmentation(segmentation, 14, 17)


def test_hostile_xml(tmp_path):
    path = tmp_path / "a.xml"
    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    write.text(path, f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><annotation>&a9;</annotation>')
    with pytest.raises(ValueError, match=r"a.xml .*declares a document type"):
        _formats.read_voc_xml(path)
    write.text(path, "<annotation>" + "<a>" * 100_000 + "</a>" * 100_000 + "</annotation>")
    with pytest.raises(ValueError, match=r"a.xml .*nested more than 20 levels deep"):
        _formats.read_voc_xml(path)
    write.text(path, "<svg><a/></svg>")
    with pytest.raises(ValueError, match=r"a.xml .*no <annotation>"):
        _formats.read_voc_xml(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "is damaged or no JSON file"),
        ("{\"info\": " + "[" * 100_000, "is damaged or no JSON file"),
        ("[1, 2]", "is damaged or no JSON file"),
        ('{"images": []} {}', "there is something after its end, at byte 14"),
        ('{"images": [],}', "has '}' after a comma, at byte 14"),
        ('{"images" []}', "has no ':' at byte 10"),
        ('{"images": [], "annotations": [{"image_id": 1} {"image_id": 1}]}', "has no ',' at byte 47"),
        ('{"images": [], "annotations": [{"image_id": 1},]}', r"has '\]' after a comma, at byte 47"),
        ('{3: 5, "images": []}', "has no name at byte 1"),
        ('{"info": {}}', "holds no 'images'"),
        (json.dumps({"images": 5}), "its 'images' are no list"),
        (json.dumps({"images": [{"file_name": "a"}]}), "its 'images' are no list of entries with an 'id'"),
        (json.dumps({"images": [], "annotations": [{"id": 3}]}), "has no 'image_id'"),
        (json.dumps({"images": [], "annotations": [{"image_id": [3]}]}), "has no 'image_id'"),
        (json.dumps({"images": [], "annotations": 3}), r"has no '\[' at byte 30"),
        (json.dumps({"images": [], "categories": {}}), "its 'categories' are no list"),
    ],
)
def test_other_json(tmp_path, content, message):
    path = tmp_path / "a.json"
    write.text(path, content)
    with pytest.raises(ValueError, match=rf"a.json.* {message}"):
        datasets.CocoDetection(tmp_path, path)


def test_headers_that_claim_too_much(tmp_path):
    path = tmp_path / "file"
    for content, parse in [
        (b"Pf\n999999999 999999999\n-1.0\n", _formats.read_pfm),
        (b"Pf\n2 2\nnan\n" + bytes(16), _formats.read_pfm),
        (b"Pf\n2 2\n0\n" + bytes(16), _formats.read_pfm),
        (b"PIEH" + b"\xff\xff\xff\x7f" * 2, _formats.read_flo),
        (b"PIEH" + b"\xff" * 8 + bytes(8), _formats.read_flo),
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="file"):
            parse(path)


@pytest.mark.parametrize(("channels", "size"), list(itertools.product((1, 2, 3, 4), [(1, 1), (7, 5), (11, 3)])))
def test_pngs_of_16_bits_with_every_filter(tmp_path, channels, size):
    samples = np.random.default_rng(channels).integers(0, 2**16, (*size, channels), np.uint16)
    path = pathlib.Path(tmp_path / "a.png")
    write.png16(path, samples)
    np.testing.assert_array_equal(decode_png(path), samples)
