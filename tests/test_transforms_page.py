"""The gallery and `docs/transforms.md` have every transform, and what the table says of each is true."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from examples import augmentation_gallery as gallery
from funcvision.cli.show import parse_transform
from funcvision.vision import draw, transforms
from funcvision.vision.tv_tensors import BoundingBoxes, TVTensor

DOCS = pathlib.Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "transforms.md").read_text(encoding="utf-8")
ROWS = {
    name: cells.split(" | ") for name, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE)
}  # name -> leaves, host, device, differentiable
NAMES = gallery.exported()
KINDS = {
    "images, videos": {"image"}, "images": {"image"}, "videos": {"image"}, "boxes": {"boxes", "rotated"},
    "boxes, their labels and masks": {"boxes", "rotated", "masks"}, "key points": {"keypoints"},
    "key points and their labels": {"keypoints"}, "all": {"image", "boxes", "rotated", "masks", "keypoints"},
}  # the entries of the sample that may change
ON_DEVICE = {  # where the tile is for the host, or takes long to compile
    "MotionBlur": "MotionBlur(5)",
    "RandomIoUCrop": "RandomIoUCrop(size=(60, 80))",
    "RandomResize": "RandomResize(60, 140, canvas=(100, 100))",
    "RandomRotation": "RandomRotation(40, 'bilinear')",
    "RandomShortestSize": "RandomShortestSize([60, 90, 120], canvas=(100, 100))",
    "RandomSolarize": "RandomSolarize(0.5, 1.0)",
    "RandomZoomOut": "RandomZoomOut(p=1.0, size=(100, 100))",
    "ScaleJitter": "ScaleJitter((200, 150), (0.4, 0.9), canvas=(100, 100))",
}
NEED_BOXES = {"RandomIoUCrop", "SanitizeBoundingBoxes", "SanitizeKeyPoints"}
each_row = pytest.mark.parametrize("name", [name for name in ROWS if name in gallery.TILES])


def test_every_transform_has_a_tile_or_a_reason():
    missing = [name for name in NAMES if (name in gallery.TILES) == (name in gallery.NOT_SHOWN)]
    assert not missing, f"write what is shown of {missing} into TILES, or why nothing is into NOT_SHOWN"
    assert len(NAMES) > 40


def test_every_transform_has_a_row():
    assert sorted(ROWS) == NAMES
    assert all(len(cells) == 4 for cells in ROWS.values())


def test_the_gallery_of_the_page():
    path = DOCS / re.search(r"!\[.*\]\((.*)\)", TEXT)[1]  # pyright: ignore
    assert path.stat().st_size < 400_000
    with PIL.Image.open(path) as page:
        assert page.width > 1000


def test_the_gallery_is_drawn(tmp_path, monkeypatch, capsys):
    names = ["RandomHorizontalFlip", "Pad", "Lambda"]
    monkeypatch.setattr(gallery, "exported", lambda: names)
    monkeypatch.setattr("sys.argv", ["gallery", "--out", str(tmp_path / "g.png"), "--columns", "2"])
    gallery.main()
    assert "not shown: Lambda: it does what its function does" in capsys.readouterr().out
    with PIL.Image.open(tmp_path / "g.png") as page:
        pixels = np.asarray(page)
    height, width = (gallery.CELL[1] + gallery.CAPTION, gallery.CELL[0])
    original = pixels[gallery.GAP :][:150, gallery.GAP :][:, :200]
    np.testing.assert_array_equal(original, draw.sample(draw.example_sample(), classes=draw.EXAMPLE_CLASSES))
    assert pixels.shape == (2 * (height + 6) + 6, 2 * (width + 6) + 6, 3)
    assert (pixels[6 + 150 : 6 + height] < 100).any(), "the captions are missing"


@pytest.mark.parametrize("name", [name for name in NAMES if name in gallery.TILES])
def test_tiles(name):
    picture = gallery.tile(name)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


def transform_of(name, tiles=gallery.TILES):
    """The transform of a tile alone, without those that stand before or behind it."""
    transform = parse_transform(tiles[name])
    if type(transform).__name__ == name:
        return transform
    return next(member for member in transform.transforms if type(member).__name__ == name)  # pyright: ignore


def sample_of(name, dtype="uint8"):
    sample = gallery.sample_for(name)
    if dtype == "float32" or name == "Normalize":
        sample = transforms.ToDtype("float32", scale=True)(sample)
    return {"image": sample} if isinstance(sample, TVTensor) else sample


def differs(old, new):
    if isinstance(old, BoundingBoxes) and (old.format, old.clamping_mode) != (new.format, new.clamping_mode):
        return True
    if type(old) is not type(new) or old.shape != new.shape or old.dtype != new.dtype:
        return True
    return not np.array_equal(old.array, new.array)


@each_row
def test_the_leaves_that_change(name):
    leaves = ROWS[name][0]
    sample = sample_of(name)
    if name == "ClampBoundingBoxes":
        sample["boxes"] = sample["boxes"].replace(array=sample["boxes"].array + 80)
    if name == "ClampKeyPoints":
        sample["keypoints"] = sample["keypoints"].replace(array=sample["keypoints"].array + 80)
    results = [transform_of(name)(sample, key=key) for key in range(4)]  # some draws change nothing
    if not isinstance(sample, dict) or not isinstance(results[0], dict) or leaves == "members":
        return
    entries = set(sample) - {"labels"}
    changed = {entry for result in results for entry in entries if differs(sample[entry], result[entry])}
    if leaves == "all":
        assert changed == KINDS["all"] & set(sample)
    elif 'all with `geometric="move"`' in leaves:
        assert "image" in changed
    elif leaves != "none":
        assert changed <= KINDS[leaves.split(";")[0]]
    else:
        assert not changed


@each_row
def test_the_device(name):
    device = ROWS[name][2]
    sample = jax.tree.map(jnp.asarray, sample_of(name))

    def trace(transform):
        return jax.eval_shape(lambda sample, key: transform(sample, key=key), sample, jax.random.key(0))

    if device.startswith("yes"):
        trace(transform_of(name))
        return
    with pytest.raises((TypeError, ValueError)):
        trace(transform_of(name))
    if device != "no":
        trace(parse_transform(ON_DEVICE[name]))


@each_row
def test_the_gradient(name):
    claim = ROWS[name][3]
    if claim == "members":
        return
    transform = transform_of(name, gallery.TILES | ON_DEVICE)
    sample = jax.tree.map(jnp.asarray, sample_of(name, "float32"))
    kind = ROWS[name][0].split()[0].strip(",")
    entry = {"boxes": "boxes", "key": "keypoints"}.get(kind, "image")

    first, *others = sample if isinstance(sample, list) else [sample]  # Mosaic and CopyPaste take several

    def total(array, key):
        changed = {**first, entry: first[entry].replace(array=array)}
        given = changed if name in NEED_BOXES or others else {entry: changed[entry]}
        result = transform([given, *others] if others else given, key=key)
        return sum((leaf.astype(jnp.float32) ** 2).sum() for leaf in jax.tree.leaves(result[entry]))

    if ROWS[name][2] == "no" or name == "CLAHE":  # which takes no floats
        assert claim == "no"
        return
    found = False
    for seed in range(4 if claim.startswith("except") else 1):  # some draws of these have a gradient of zero
        gradient = jax.grad(total)(first[entry].array, jax.random.key(seed))
        assert jnp.isfinite(gradient).all()
        found |= bool((gradient != 0).any())
    assert found == (claim != "no")
