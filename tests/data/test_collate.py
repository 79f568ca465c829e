from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from funcvision.data import default_collate


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
