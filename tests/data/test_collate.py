from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from funcvision.data import DataLoader, default_collate, list_collate, pad_collate
from funcvision.vision import tv_tensors


class Sample(NamedTuple):
    image: np.ndarray
    label: int


def test_structure_is_kept_and_leaves_are_stacked():
    samples = [Sample(np.full((2, 2), i, np.uint8), i) for i in range(3)]
    batch = default_collate(samples)
    assert isinstance(batch, Sample)
    assert batch.image.shape == (3, 2, 2)
    assert batch.image.dtype == np.uint8
    assert batch.label.tolist() == [0, 1, 2]
    nested = default_collate([{"a": [s, None], "b": (s.label,)} for s in samples])
    assert nested["a"][1] is None
    np.testing.assert_array_equal(nested["a"][0].image, batch.image)
    np.testing.assert_array_equal(nested["b"][0], [0, 1, 2])


@pytest.mark.parametrize(
    ("leaf", "dtype"),
    [(1, "int64"), (1.5, "float64"), (True, "bool"), (1j, "complex128"), (np.float16(1), "float16"),
     (np.zeros((), "int8"), "int8"), (jnp.zeros(2, jnp.bfloat16), "bfloat16")],
)
def test_dtypes(leaf, dtype):
    batch = default_collate([leaf, leaf])
    assert isinstance(batch, np.ndarray)
    assert batch.dtype.name == dtype


def test_strings_stay_a_list():
    assert default_collate([("a", b"x"), ("bc", b"y")]) == (["a", "bc"], [b"x", b"y"])


def test_ragged_shapes_are_named_with_their_place():
    samples = [{"image": np.zeros((2, 3)), "label": 0}, {"image": np.zeros((2, 4)), "label": 1}]
    expected = r"leaf sample\['image'\] has shapes \(2, 3\), \(2, 4\) in one batch.*collate_fn"
    with pytest.raises(ValueError, match=expected):
        default_collate(samples)


def test_dtypes_that_differ_are_not_promoted():
    with pytest.raises(ValueError, match=r"leaf sample\[1\] has dtypes int64, float64 in one batch"):
        default_collate([(0, 1), (0, 1.5)])


def test_structures_that_differ():
    with pytest.raises(ValueError, match=r"one structure; .*PyTreeDef\(\(\*, \*\)\) and PyTreeDef\(\(\*, \*, \*\)\)"):
        default_collate([(1, 2), (1, 2, 3)])


def test_a_pil_image_is_told_what_to_do():
    image = Image.new("RGB", (4, 4))
    with pytest.raises(TypeError, match=r"leaf sample\[0\] is a PIL image.*ToImage\(\)"):
        default_collate([(image, 1), (image, 2)])


@pytest.mark.parametrize("leaf", [object(), np.array([object()]), {1, 2}])
def test_other_objects(leaf):
    with pytest.raises(TypeError, match=r"neither an array of numbers nor a number.*collate_fn"):
        default_collate([leaf, leaf])


def test_a_batch_of_jax_arrays_is_on_the_host():
    assert not isinstance(default_collate([jnp.zeros(2)] * 2), jax.Array)


# typed leaves and samples of many sizes


def sample(height, width, n, label=0):
    """An image, its boxes and masks, and labels of the boxes."""
    return {
        "image": tv_tensors.Image(np.full((height, width, 3), 7, np.uint8)),
        "boxes": tv_tensors.BoundingBoxes(np.ones((n, 4), np.float32), canvas_size=(height, width)),
        "masks": tv_tensors.Mask(np.ones((n, height, width), bool)),
        "points": tv_tensors.KeyPoints(np.ones((n, 5, 2), np.float32), canvas_size=(height, width),
                                       visible=np.ones((n, 5), bool)),
        "labels": np.arange(1, n + 1), "id": label,
    }


def test_typed_leaves_are_stacked():
    batch = default_collate([sample(4, 5, 2, label=i) for i in range(3)])
    assert isinstance(batch["boxes"], tv_tensors.BoundingBoxes)
    assert (batch["image"].shape, batch["boxes"].shape, batch["masks"].shape) == ((3, 4, 5, 3), (3, 2, 4), (3, 2, 4, 5))
    assert (batch["boxes"].canvas_size, batch["boxes"].valid) == ((4, 5), None)
    assert batch["points"].visible.shape == (3, 2, 5)
    assert batch["id"].tolist() == [0, 1, 2]


def test_canvas_sizes_that_differ_name_the_ways_out():
    message = r"sample\['boxes'\] differs .*canvas_size=\(4, 5\).*canvas_size=\(4, 6\).*list_collate.*pad_collate"
    with pytest.raises(ValueError, match=message):
        default_collate([sample(4, 5, 2), sample(4, 6, 2)])
    images = [{"image": sample(4, width, 2)["image"]} for width in (5, 6)]
    with pytest.raises(ValueError, match=r"sample\['image'\]\.array has shapes .*list_collate.*pad_collate"):
        default_collate(images)


def test_lists():
    samples = [sample(4, 5, 2), sample(7, 3, 0)]
    batch = list_collate(samples)
    assert batch["image"] == [one["image"] for one in samples]
    assert batch["boxes"] == [one["boxes"] for one in samples]
    assert batch["id"] == [0, 0]
    picture = Image.new("RGB", (4, 4))
    assert list_collate([(picture, None), (picture, None)]) == ([picture, picture], None)
    with pytest.raises(ValueError, match="one structure"):
        list_collate([(1, 2), (1, 2, 3)])


def test_padding_to_the_largest():
    batch = pad_collate([sample(4, 5, 2), sample(7, 3, 0), sample(2, 2, 3)])
    image, boxes, masks, points = (batch[name] for name in ("image", "boxes", "masks", "points"))
    assert (image.shape, boxes.shape, masks.shape) == ((3, 7, 5, 3), (3, 3, 4), (3, 3, 7, 5))
    assert (image.array[0, :4, :5] == 7).all()
    assert image.array.sum() == 7 * 3 * (4 * 5 + 7 * 3 + 2 * 2)
    assert boxes.canvas_size == points.canvas_size == (7, 5)
    assert boxes.valid.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    np.testing.assert_array_equal(boxes.array[..., 0], boxes.valid)
    assert (points.shape, points.valid.sum(), points.visible.sum()) == ((3, 3, 5, 2), 25, 25)
    assert masks.array.sum() == 2 * 4 * 5 + 3 * 2 * 2
    assert batch["labels"].tolist() == [[1, 2, 0], [0, 0, 0], [1, 2, 3]]
    assert batch["id"].tolist() == [0, 0, 0]


def test_padding_to_a_given_size():
    options = {"size": (10, 12), "lengths": {"boxes": 6, "labels": 6}, "fill": {"labels": -1, "masks": 1}}
    shapes = set()
    for samples in ([sample(4, 5, 2), sample(7, 3, 0)], [sample(10, 12, 6), sample(1, 1, 1)]):
        batch = pad_collate(samples, **options)
        del batch["masks"], batch["points"]  # their number is that of the longest sample
        shapes.add((str(jax.tree.structure(batch)), str(jax.tree.map(np.shape, batch))))
    assert len(shapes) == 1
    assert batch["image"].shape == (2, 10, 12, 3)
    assert batch["labels"][1].tolist() == [1, -1, -1, -1, -1, -1]
    rounded = pad_collate([sample(4, 5, 2), sample(7, 3, 0)], multiple=4)
    assert (rounded["image"].shape, rounded["boxes"].canvas_size) == ((2, 8, 8, 3), (8, 8))


def test_padding_keeps_what_was_not_valid():
    boxes = tv_tensors.BoundingBoxes(np.ones((2, 4)), canvas_size=(4, 4), valid=np.array([False, True]))
    assert pad_collate([boxes, boxes], lengths=None).valid.tolist() == [[False, True]] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": (3, 9)}, "has a height of 4 in one sample, which does not fit into 3"),
     ({"lengths": {"labels": 1}}, r"sample\['labels'\] has a length of 2 in one sample, which does not fit into 1"),
     ({"lengths": {"box": 1}}, r"name leaves that no sample has: \['box'\]; there are \['boxes'"),
     ({"fill": {"x": 1}}, r"no sample has: \['x'\]")],
)
def test_padding_errors(options, message):
    with pytest.raises(ValueError, match=message):
        pad_collate([sample(4, 5, 2)], **options)


def test_padding_needs_one_number_of_axes():
    arrays = [np.zeros((2, 2)), np.zeros((1, 2, 2))]
    for leaves in (arrays, [tv_tensors.Mask(array) for array in arrays]):
        with pytest.raises(ValueError, match="different numbers of axes in one batch"):
            pad_collate(leaves)


def test_videos_are_padded_in_time():
    videos = [tv_tensors.Video(np.ones((time, 2, 3, 1), np.uint8)) for time in (2, 4)]
    batch = pad_collate(videos)
    assert batch.shape == (2, 4, 2, 3, 1)
    assert batch.array.sum() == 6 * 6


def test_a_loader_pads():
    class Samples:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return sample(4 + index, 5, index)

    batches = list(DataLoader(Samples(), 2, collate_fn=pad_collate, device=jax.devices()[0]))
    assert [batch["boxes"].canvas_size for batch in batches] == [(5, 5), (7, 5)]
    assert all(isinstance(batch["boxes"].array, jax.Array) for batch in batches)
