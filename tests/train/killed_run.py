"""The command in a process of a fork server, which has imported everything that a run needs."""

import sys

import matplotlib.figure  # noqa: F401
import sklearn.datasets  # noqa: F401
from orbax.checkpoint import v1  # noqa: F401

import funcvision.train.run  # noqa: F401
from funcvision import cli


def train(arguments: list[str]) -> None:
    """Runs `funcvision train` and ends the process with its status."""
    sys.exit(cli.main(["train", *arguments]))
