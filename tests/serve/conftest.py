"""A tiny classifier in a file, and a server of it inside this process."""

import pytest

from funcvision import export, serve
from funcvision.vision.transforms.presets import ImageClassification

from .serving import CLASSES, SIDE, Client, Means, weights


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """The tiny classifier, in a folder whose name must not appear in answers."""
    path = tmp_path_factory.mktemp("secret-folder") / "tiny.fv"
    preset = ImageClassification(crop_size=SIDE, resize_size=SIDE, mean=(0, 0, 0), std=(1, 1, 1))
    export.save(
        path, Means(), weights(), {}, image_size=(SIDE, SIDE), preset=preset, categories=CLASSES, platforms=["cpu"],
        batch=[1, "symbolic"], name="tiny",
    )
    return path


@pytest.fixture
def registry(model_file):
    """The tiny classifier, with its folder as the model folder."""
    found = serve.Registry(serve.Settings(max_batch=4), folder=model_file.parent, inspect_programs=False)
    found.add(model_file)
    return found


@pytest.fixture
def client(registry):
    """A client on the machine of the server."""
    return Client(serve.create_app(registry))
