"""The web application: all protocols over one registry of models."""

from collections.abc import Sequence

from starlette.routing import Router
from starlette.types import ASGIApp

from . import inference_v2, page, torchserve
from .access import Access
from .answers import Answers
from .registry import Registry

__all__ = ["create_app"]


def create_app(registry: Registry, *, keys: Sequence[str] = (), manage_from_anywhere: bool = False) -> ASGIApp:
    """The application of a server.

    Args:
        registry: the models.
        keys: of which clients need one, in the header `Authorization: Bearer`; empty if they need none.
        manage_from_anywhere: management calls may come from other machines.
    """
    for_people = page.routes(registry)
    health = inference_v2.health_routes(registry)
    inference = torchserve.inference_routes(registry)
    management = torchserve.management_routes(registry)
    # A bare router: the middlewares of the class Starlette would answer errors in their own way, with text.
    routes = [*for_people, *health, *inference, *management, *inference_v2.routes(registry)]
    router = Router(routes, redirect_slashes=False)
    ping = [route for route in inference if route.path == "/ping"]
    public = [*for_people, *health, *ping]
    return Answers(Access(
        router, keys=keys, public=public, management=management, manage_from_anywhere=manage_from_anywhere
    ))

