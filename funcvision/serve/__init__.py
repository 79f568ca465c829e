"""A server for exported models, over HTTP: `funcvision serve` runs it.

`Registry` holds the models, `create_app` makes an ASGI application of it, and `run` runs that. It needs
`pip install "funcvision[serve]"`. `docs/serving.md` describes it.
"""

from .app import create_app
from .errors import ServeError
from .model import ServedModel
from .registry import Registry
from .run import open_port, run
from .settings import Settings

__all__ = ["Registry", "ServeError", "ServedModel", "Settings", "create_app", "open_port", "run"]
