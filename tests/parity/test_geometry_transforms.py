"""The random warps: what they draw has torchvision's distribution, and replay, jit and batch agree with the call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as v2

from funcvision.vision import transforms

from .images import array, picture, tensor

CLASSES = {
    "rotation": ("RandomRotation", {"degrees": 40}),
    "affine": ("RandomAffine", {"degrees": (-10, 30), "translate": (0.2, 0.1), "scale": (0.7, 1.2), "shear": 9}),
    "perspective": ("RandomPerspective", {"distortion_scale": 0.4, "p": 1.0}),
    "elastic": ("ElasticTransform", {"alpha": 9.0, "sigma": (1.0, 1.3)}),
}


@pytest.mark.parametrize("name", CLASSES)
def test_drawn_params(name):
    kind, options = CLASSES[name]
    x = picture(24, 30, 3)
    mine, reference = getattr(transforms, kind)(**options), getattr(v2, kind)(**options)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)

    def flat(params):
        return np.concatenate([np.ravel(params[key]) for key in sorted(params)])

    if name == "elastic":  # one standard deviation over all pixels in place of one for each
        drawn = np.stack([flat(mine.params(x, key=rng)) for _ in range(50)])
        theirs = np.stack([flat(reference.make_params([tensor(x)])) for _ in range(50)])
        assert abs(drawn.std() / theirs.std() - 1) < 0.03
        assert abs(drawn.mean()) < 0.05 * theirs.std()
        return
    drawn = np.stack([flat(mine.params(x, key=rng)) for _ in range(600)])
    theirs = np.stack([flat(reference.make_params([tensor(x)])) for _ in range(600)])
    deviation = theirs.std(0)
    assert (np.abs(drawn.mean(0) - theirs.mean(0)) <= 0.25 * deviation + 1e-6).all()
    assert (np.abs(drawn.std(0) - deviation) <= 0.2 * deviation + 1e-6).all()


@pytest.mark.parametrize("name", CLASSES)
def test_params_of_torchvision(name):
    kind, options = CLASSES[name]
    x = picture(24, 30, 3)
    mine, reference = getattr(transforms, kind)(**options), getattr(v2, kind)(**options)
    torch.manual_seed(1)
    params = reference.make_params([tensor(x)])
    expected = array(reference.transform(tensor(x), params))
    if name == "elastic":
        params = {"displacement": params["displacement"].numpy()}
    result = mine.replay(x, params)
    if name in ("perspective", "elastic"):
        assert np.abs(result.astype(int) - expected.astype(int)).max() <= 1
    else:
        assert (result == expected).mean() >= 0.985


@pytest.mark.parametrize("name", CLASSES)
def test_replay_jit_and_batch(name):
    kind, options = CLASSES[name]
    transform = getattr(transforms, kind)(**options, interpolation="bilinear")
    host = picture(24, 30, 3)
    np.testing.assert_array_equal(transform.replay(host, transform.params(host, key=3)), transform(host, key=3))
    x, key = jnp.asarray(picture(3, 24, 30, 3, dtype="float32")), jax.random.key(0)
    one = transform(x[0], key=key)
    np.testing.assert_allclose(transform.replay(x[0], transform.params(x[0], key=key)), one, atol=1e-5)
    np.testing.assert_allclose(jax.jit(lambda x, key: transform(x, key=key))(x[0], key), one, atol=1e-3)
    batch = transform.batch(x, key=key)
    for i, part in enumerate(jax.random.split(key, 3)):
        np.testing.assert_allclose(batch[i], transform(x[i], key=part), atol=1e-3)


def test_perspective_that_is_not_applied():
    x = picture(24, 30, 3)
    transform = transforms.RandomPerspective(p=0.0)
    np.testing.assert_array_equal(transform(x, key=0), x)
    np.testing.assert_array_equal(transform(jnp.asarray(x), key=jax.random.key(0)), x)


@pytest.mark.parametrize("make", [
    lambda: transforms.RandomRotation(-3), lambda: transforms.RandomAffine(3, translate=(2, 0)),
    lambda: transforms.RandomAffine(3, scale=(0, 1)), lambda: transforms.RandomPerspective(1.5),
    lambda: transforms.RandomRotation(3, "cubic"), lambda: transforms.RandomPerspective(p=2),
])
def test_bad_options(make):
    with pytest.raises(ValueError, match=r"must|one of|no probability"):
        make()
