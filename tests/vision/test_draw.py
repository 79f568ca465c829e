"""Drawings of typed leaves, of nothing, of whole samples, and of augmentations; parity/test_draw.py has the pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import draw, transforms
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video

SIZE = (24, 32)
BLACK = np.zeros((*SIZE, 3), np.uint8)
BOXES = np.array([[2, 3, 10, 12], [8, 8, 30, 20]], np.float32)


def boxes(array=BOXES, **options):
    return BoundingBoxes(array, canvas_size=SIZE, **options)


DRAWINGS = {
    "boxes": lambda image: draw.draw_bounding_boxes(image, BOXES, colors="red"),
    "masks": lambda image: draw.draw_segmentation_masks(image, np.eye(*SIZE, dtype=bool), colors="red"),
    "keypoints": lambda image: draw.draw_keypoints(image, BOXES[:, None, :2], colors="red"),
    "grid": lambda image: draw.make_grid([image, image]),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_an_image_comes_back_as_the_kind_that_it_was(name):
    expected = DRAWINGS[name](BLACK)
    assert isinstance(expected, np.ndarray)
    assert expected.any() == (name != "grid")
    assert not BLACK.any()
    on_device = DRAWINGS[name](jnp.asarray(BLACK))
    assert isinstance(on_device, jax.Array)
    np.testing.assert_array_equal(on_device, expected)
    typed = DRAWINGS[name](Image(jnp.asarray(BLACK)))
    assert isinstance(typed, Image)
    assert isinstance(typed.array, jax.Array)
    np.testing.assert_array_equal(typed.array, expected)
    if name != "grid":
        pil = DRAWINGS[name](PIL.Image.fromarray(BLACK))
        assert isinstance(pil, PIL.Image.Image)
        np.testing.assert_array_equal(np.asarray(pil), expected)
        half = DRAWINGS[name](jnp.asarray(BLACK, jnp.bfloat16))
        assert half.dtype == jnp.bfloat16
        np.testing.assert_array_equal(np.asarray(half, np.float32) > 0.5, expected > 127)


def test_nothing_to_draw_leaves_the_image_as_it_is():
    image = np.random.default_rng(0).random((*SIZE, 3), np.float32)
    for empty in (np.zeros((0, 4)), np.zeros((0, 8)), np.zeros(0), boxes(np.zeros((0, 4), np.float32)),
                  boxes(np.zeros((0, 5), np.float32), format="CXCYWHR"), boxes(valid=np.zeros(2, bool))):  # fmt: skip
        np.testing.assert_array_equal(draw.draw_bounding_boxes(image, empty, fill_labels=True), image)
    for empty in (np.zeros((0, *SIZE), bool), Mask(np.zeros((0, *SIZE), np.uint8)), Mask(np.zeros(SIZE, np.int32))):
        np.testing.assert_array_equal(draw.draw_segmentation_masks(image, empty), image)
    for empty in (np.zeros((0, 5, 2)), np.zeros((2, 0, 2)), KeyPoints(np.zeros((0, 2)), canvas_size=SIZE)):
        np.testing.assert_array_equal(draw.draw_keypoints(image, empty, colors="red"), image)
    assert draw.draw_bounding_boxes(image[..., :1], np.zeros((0, 4))).shape == (*SIZE, 3)
    assert draw.flow_to_image(np.zeros((0, 4, 5, 2), np.float32)).shape == (0, 4, 5, 3)


def test_a_box_that_is_not_valid_is_left_out_and_the_others_keep_their_colours_and_labels():
    options = {"labels": ["a", "b"], "colors": ["red", "blue"]}
    with_nan = np.array([[np.nan] * 4, BOXES[1]], np.float32)
    drawn = draw.draw_bounding_boxes(BLACK, boxes(with_nan, valid=np.array([False, True])), **options)
    expected = draw.draw_bounding_boxes(BLACK, BOXES[1:], labels=["b"], colors=["blue"])
    np.testing.assert_array_equal(drawn, expected)


def test_boxes_of_ints_on_the_device():
    drawn = draw.draw_bounding_boxes(BLACK, boxes(jnp.array([[6, 7, 8, 10]]), format="CXCYWH"), colors="red")
    np.testing.assert_array_equal(drawn, draw.draw_bounding_boxes(BLACK, np.array([[2, 2, 10, 12]]), colors="red"))


def test_key_points_that_are_not_valid_or_not_visible_are_left_out():
    points = np.array([[4, 4], [20, 5], [12, 18], [np.nan, 0]], np.float32)
    typed = KeyPoints(
        points, canvas_size=SIZE, visible=np.array([2, 0, 1, 1]), valid=np.array([True, True, True, False])
    )
    lines = [(0, 2), (1, 2), (0, 3)]
    drawn = draw.draw_keypoints(BLACK, typed, lines, colors="red")
    expected = draw.draw_keypoints(BLACK, points[None, [0, 2]], [(0, 1)], colors="red")
    np.testing.assert_array_equal(drawn, expected)
    shown = draw.draw_keypoints(BLACK, typed, colors="red", visibility=np.array([False, True, False, True]))
    np.testing.assert_array_equal(shown, draw.draw_keypoints(BLACK, points[None, 1:2], colors="red"))


def test_a_mask_of_integers():
    classes = np.zeros(SIZE, np.int32)
    classes[2:5, 3:9], classes[10:12] = 1, 3
    drawn = draw.draw_segmentation_masks(BLACK, Mask(classes), 1.0, ["white", "red", "white", "blue"])
    assert drawn[3, 4].tolist() == [255, 0, 0]
    assert drawn[10, 0].tolist() == [0, 0, 255]
    assert drawn[0, 0].tolist() == [0, 0, 0]
    planes = Mask(jnp.asarray(np.stack([classes == 1, classes == 3]), jnp.uint8))
    np.testing.assert_array_equal(draw.draw_segmentation_masks(BLACK, planes, 1.0, ["red", "blue"]), drawn)


def test_videos_become_grids_of_their_frames():
    video = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    grid = draw.make_grid(Video(video), nrow=3)
    assert isinstance(grid, Image)
    np.testing.assert_array_equal(grid.array, draw.make_grid(video, nrow=3))


def test_uint8_images_are_written_as_they_are(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    draw.save_image(Image(jnp.asarray(image)), tmp_path / "image.png")
    with PIL.Image.open(tmp_path / "image.png") as read:
        np.testing.assert_array_equal(np.asarray(read), image)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: draw.draw_bounding_boxes(BLACK.astype(np.int32), BOXES), "dtype uint8 or float, and this one is int32"),
    (lambda: draw.draw_bounding_boxes(BLACK[None], BOXES), r"one image .* shape \(1, 24, 32, 3\)"),
    (lambda: draw.draw_bounding_boxes(BLACK.transpose(2, 0, 1), BOXES), r"pass image.transpose\(1, 2, 0\)"),
    (lambda: draw.draw_bounding_boxes(BLACK, BOXES[:, [2, 1, 0, 3]]), "left edge right of its right one"),
    (lambda: draw.draw_bounding_boxes(BLACK, BOXES * np.nan), "NaN or infinite"),
    (lambda: draw.draw_bounding_boxes(BLACK, np.zeros((2, 5))), r"BoundingBoxes\(array, format="),
    (lambda: draw.draw_bounding_boxes(BLACK, BOXES, ["a"]), "1 labels for 2 boxes"),
    (lambda: draw.draw_bounding_boxes(BLACK, BOXES, font_size=12), "font_size=12 needs font"),
    (lambda: draw.draw_bounding_boxes(BLACK, BOXES, colors=["red"]), "1 entries for 2 objects"),
    (lambda: draw.draw_bounding_boxes(BLACK, BOXES, colors=(1, 2)), r"\(1, 2\) is no colour"),
    (lambda: draw.draw_bounding_boxes(BLACK, BOXES, colors="rde"), "rde"),
    (lambda: draw.draw_segmentation_masks(BLACK, np.zeros(SIZE)), "masks are bool and these are float64"),
    (lambda: draw.draw_segmentation_masks(BLACK, np.zeros((4, 4), bool)), r"\(4, 4\) and the image is \(24, 32\)"),
    (lambda: draw.draw_segmentation_masks(BLACK, np.zeros(SIZE, bool), alpha=2), "alpha=2"),
    (lambda: draw.draw_segmentation_masks(BLACK[..., :1], np.zeros(SIZE, bool)), "3 channels"),
    (lambda: draw.draw_keypoints(BLACK, BOXES[:, :2]), r"\[instances, points, 2\]"),
    (lambda: draw.draw_keypoints(BLACK, BOXES[None, :, :2], visibility=np.ones((1, 3))), r"visibility has shape"),
    (lambda: draw.draw_keypoints(BLACK, BOXES[None, :, :2] * np.nan), "NaN or infinite"),
    (lambda: draw.flow_to_image(np.zeros((2, 4, 5), np.float32)), r"\[..., height, width, 2\]"),
    (lambda: draw.flow_to_image(np.zeros((4, 5, 2), np.int32)), "takes floats, and these are int32"),
    (lambda: draw.make_grid([]), "at least one, and these are none"),
    (lambda: draw.make_grid([BLACK, BLACK[:3]]), r"one shape and dtype.*uint8\[24, 32, 3\], uint8\[3, 32, 3\]"),
    (lambda: draw.make_grid(BLACK, normalize=True), "needs floats"),
    (lambda: draw.make_grid(BLACK, nrow=0), "nrow=0"),
    (lambda: draw.make_grid(BLACK / 1.0, normalize=True, value_range=3), r"must be \(low, high\)"),
    (lambda: draw.save_image(np.zeros((4, 4, 2)), "never.png"), r"float64|uint8 of shape \(4, 4, 2\)"),
    (lambda: draw.sample({"a": 1}), "nothing to draw in a sample of int"),
    (lambda: draw.sample(Image(np.zeros((2, *SIZE, 3), np.uint8))), "out of a batch"),
    (lambda: draw.sample((Image(BLACK), 7), classes=["a"]), "label 7 has no name among the 1 classes"),
    (lambda: draw.strip(transforms.Identity(), BLACK, n=0), "n=0"),
])  # fmt: skip
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_traced_image_cannot_be_drawn_on():
    with pytest.raises(TypeError, match=r"outside of jax\.jit"):
        jax.jit(lambda image: draw.draw_bounding_boxes(image, BOXES))(jnp.asarray(BLACK))
    with pytest.raises(TypeError, match="this is a list"):
        draw.draw_bounding_boxes(BLACK, [[1, 2, 3, 4]])
    with pytest.raises(TypeError, match="this is a Mask"):
        draw.draw_bounding_boxes(Mask(BLACK), BOXES)


# Samples


def on_device(sample):
    return jax.tree.map(jnp.asarray, sample)


def test_a_sample_with_everything():
    sample = draw.example_sample()
    picture = draw.sample(sample, classes=draw.EXAMPLE_CLASSES)
    assert (picture.shape, picture.dtype) == ((150, 200, 3), np.uint8)
    for name in ("boxes", "rotated", "masks", "keypoints", "labels"):
        without = {key: value for key, value in sample.items() if key != name}
        assert (draw.sample(without, classes=draw.EXAMPLE_CLASSES) != picture).any(), name
    np.testing.assert_array_equal(draw.sample(on_device(sample)), draw.sample(sample))


def test_the_leaves_of_the_example_belong_together():
    sample = draw.example_sample()
    for plane, box in zip(sample["masks"].array, sample["boxes"].array):
        rows, columns = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
        assert [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] == box.tolist()
    corners = transforms.functional.convert_bounding_box_format(sample["rotated"], new_format="XYXYXYXY").array
    middles = (corners.reshape(4, 2) + np.roll(corners.reshape(4, 2), -1, 0)) / 2
    for point in sample["keypoints"].array[[0, 2]]:  # the nose and the tail of the kite
        assert np.abs(middles - point).sum(-1).min() < 0.01


@pytest.mark.parametrize("sample", [
    PIL.Image.new("L", (32, 24), 100), PIL.Image.new("RGBA", (32, 24)), BLACK, jnp.asarray(BLACK), BLACK[..., :1],
    np.zeros((*SIZE, 4), np.float32), Image(np.zeros((*SIZE, 2), np.uint16)), Image(BLACK.astype(jnp.bfloat16)),
    Mask(np.ones(SIZE, np.int32)), Mask(np.ones((2, *SIZE), bool)), boxes(), {"flow": np.ones((*SIZE, 2), np.float32)},
    KeyPoints(np.ones((2, 2)), canvas_size=SIZE),
], ids=lambda sample: type(sample).__name__)  # fmt: skip
def test_every_kind_of_sample(sample):
    picture = draw.sample(sample)
    assert (picture.shape, picture.dtype) == ((*SIZE, 3), np.uint8)


def test_several_images_and_the_frames_of_a_video_stand_side_by_side():
    flow = np.ones((*SIZE, 2), np.float32)
    picture = draw.sample({"images": (Image(BLACK), Image(BLACK[:, :8])), "flow": flow})
    assert picture.shape == (24, 3 * 32 + 2 * 4, 3)
    assert draw.sample(Video(np.stack([BLACK] * 3))).shape == (24, 3 * 32 + 2 * 4, 3)
    assert draw.sample(Video(np.stack([BLACK] * 50))).shape == (24, 8 * 32 + 7 * 4, 3)


def test_what_belongs_to_the_frames_of_a_video():
    frames = np.stack([BLACK] * 3)
    tracks = np.stack([BOXES, BOXES + 1, BOXES + 2])
    valid = np.array([[True, True], [True, False], [False, False]])
    mask = np.arange(3, dtype=np.int32)[:, None, None] * np.ones(SIZE, np.int32)
    points = KeyPoints(tracks[..., :2], canvas_size=SIZE)
    video = {"video": Video(frames), "boxes": boxes(tracks, valid=valid), "masks": Mask(mask), "keypoints": points}
    picture = draw.sample(video)
    for i in range(3):
        frame = {"image": Image(BLACK), "boxes": boxes(tracks[i], valid=valid[i]), "masks": Mask(mask[i]),
                 "keypoints": KeyPoints(tracks[i, :, :2], canvas_size=SIZE)}  # fmt: skip
        np.testing.assert_array_equal(picture[:, 36 * i : 36 * i + 32], draw.sample(frame))


def test_labels():
    plain = draw.sample(Image(BLACK))
    assert (draw.sample((Image(BLACK), 3)) != plain).any()
    np.testing.assert_array_equal(draw.sample((Image(BLACK), jnp.int32(3))), draw.sample((Image(BLACK), 3)))
    np.testing.assert_array_equal(draw.sample((Image(BLACK), 3.5, np.zeros(3))), plain)
    named = draw.sample((PIL.Image.fromarray(BLACK), 1), classes=["a", "bird"])
    np.testing.assert_array_equal(named, draw.sample({"image": Image(BLACK), "label": "bird"}))
    numbers = draw.sample({"image": Image(BLACK), "boxes": boxes(), "labels": np.array([1, 0])}, classes=["a", "b"])
    names = draw.sample({"image": Image(BLACK), "boxes": boxes(), "labels": ["b", "a"]})
    np.testing.assert_array_equal(numbers, names)
    assert (names != draw.sample({"image": Image(BLACK), "boxes": boxes()})).any()


def test_boxes_without_an_area_are_left_out():
    flat = np.array([[0, 0, 0, 0], [2, 3, 10, 12], [5, 5, 5, 9]], np.float32)
    sample = {"image": Image(BLACK), "boxes": boxes(flat), "labels": ["a", "b", "c"]}
    with_one = {**sample, "boxes": boxes(flat, valid=np.array([False, True, False]))}
    np.testing.assert_array_equal(draw.sample(sample), draw.sample(with_one))
    assert (draw.sample(sample) != draw.sample({**sample, "boxes": boxes(flat, valid=np.zeros(3, bool))})).any()


def test_values_of_a_normalised_image_are_stretched():
    ramp = np.linspace(-2, 3, 32, dtype=np.float32)[None, :, None] * np.ones((24, 1, 3), np.float32)
    assert draw.sample(ramp)[0, [0, -1], 0].tolist() == [0, 255]
    assert draw.sample((ramp + 2) / 10)[0, -1, 0] == 127


# Augmentations


@pytest.mark.parametrize("device", [False, True])
def test_strip(device):
    sample = draw.example_sample()
    key = 3
    if device:
        sample, key = on_device(sample), jax.random.key(3)
    augment = transforms.RandomHorizontalFlip(0.5)
    picture = draw.strip(augment, sample, key, 6, nrow=4)
    assert picture.shape == (2 * 150 + 4, 4 * 200 + 3 * 4, 3)
    tiles = [picture[y : y + 150, x : x + 200] for y in (0, 154) for x in (0, 204, 408, 612)]
    plain, flipped = draw.sample(sample), draw.sample(transforms.RandomHorizontalFlip(1.0)(sample, key=key))
    np.testing.assert_array_equal(tiles[0], plain)
    kinds = [[(tile == one).all() for one in (plain, flipped)] for tile in tiles[1:7]]
    assert all(any(kind) for kind in kinds)
    assert {kind.index(True) for kind in kinds} == {0, 1}
    np.testing.assert_array_equal(picture, draw.strip(augment, sample, key, 6, nrow=4))


def test_strip_of_pictures_of_other_sizes():
    picture = draw.strip(transforms.CenterCrop(10), BLACK, n=2)
    assert picture.shape == (24, 3 * 32 + 2 * 4, 3)
    assert (picture[10:, 36:] == 255).all()
    assert not picture[:10, 36:46].any()
    assert draw.strip(transforms.Pad(5), BLACK, n=1).shape == (34, 2 * 42 + 4, 3)
