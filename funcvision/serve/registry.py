"""The models of a server, by name and version."""

import asyncio
import dataclasses
import logging
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

from .. import export
from .bodies import Bodies
from .errors import ServeError
from .metrics import Metrics
from .model import ServedModel
from .settings import Settings

__all__ = ["FIRST_VERSION", "Registry"]

FIRST_VERSION = "1.0"
"""The version of a model for which none is given."""
_LOG = logging.getLogger("funcvision.serve")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Registry:
    """The models of a server.

    `add` loads a model and blocks; the other methods run in the thread of the event loop.

    Args:
        settings: the limits.
        folder: the model folder, from which clients may register files; None if they may not.
        inspect_programs: inspect files in a separate process before they are loaded (`export.load`).

    Attributes:
        settings: as given.
        bodies: reads the bodies of requests.
        metrics: the counts of all models.
    """

    def __init__(
        self, settings: Settings | None = None, *, folder: str | os.PathLike[str] | None = None,
        inspect_programs: bool = True,
    ):
        self.settings = settings or Settings()
        self.bodies = Bodies(max_bytes=self.settings.max_bytes, max_total=self.settings.max_total_bytes)
        self.metrics = Metrics()
        self._folder = None if folder is None else pathlib.Path(folder)
        self._inspect = inspect_programs
        self._versions: dict[str, dict[str, ServedModel]] = {}
        self._defaults: dict[str, str] = {}
        self._loading = asyncio.Lock()

    def models(self) -> list[ServedModel]:
        """All versions of all models, in the order of registration; the default version of each model comes first."""
        return [
            model for name, versions in self._versions.items()
            for model in sorted(versions.values(), key=lambda model: model.version != self._defaults[name])
        ]

    def versions(self, name: str) -> list[ServedModel]:
        """All versions of a model.

        Raises:
            ServeError: 404; there is no such model.
        """
        if name not in self._versions:
            raise ServeError(404, f"there is no model {_shown(name)}")
        return list(self._versions[name].values())

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """A version of a model, by default its default version.

        Raises:
            ServeError: 404; there is none.
        """
        self.versions(name)
        version = self._defaults[name] if version is None else version
        if version not in self._versions[name]:
            raise ServeError(404, f"the model {_shown(name)} has no version {_shown(version)}")
        return self._versions[name][version]

    def add(
        self, path: str | os.PathLike[str], *, name: str | None = None, version: str = FIRST_VERSION, workers: int = 1
    ) -> ServedModel:
        """Loads a file and compiles it, before a server starts.

        Args:
            path: of the file.
            name: under which it is served; by default that of the file without its ending.
            version: under which it is served.
            workers: how many batches are computed at the same time. Workers take turns among the devices.

        Raises:
            ExportError: the file is refused.
            OSError: the file cannot be opened.
            ValueError: the model cannot be served, or its name is taken.
        """
        model = self._load(pathlib.Path(path), name, version, {})
        model.batcher.scale(model.make_workers(workers))
        self._insert(model)
        return model

    async def register(
        self, file: str, *, name: str | None = None, version: str = FIRST_VERSION, workers: int = 0,
        settings: dict[str, Any] | None = None,
    ) -> ServedModel:
        """Loads a file of the model folder on behalf of a client.

        Args:
            file: its name, without a folder.
            name: under which it is served; by default that of the file without its ending.
            version: under which it is served.
            workers: as in `add`.
            settings: fields of `Settings` that are different for this model.

        Raises:
            ServeError: the file is not there or refused, the model cannot be served, or its name is taken.
        """
        if self._folder is None:
            raise ServeError(403, "this server has no model folder from which models can be registered")
        if not _NAME.fullmatch(file) or not file.endswith(".fv"):
            raise ServeError(400, f"give the name of a .fv file, without a folder; got {_shown(file)}")
        path = self._folder / file
        if not path.is_file():
            raise ServeError(404, f"there is no file {file!r} in the model folder")
        async with self._loading:
            self._check_free(name or path.stem, version)
            model = await self._for_client(path, lambda: self._load(path, name, version, settings or {}))
            made = await self._for_client(path, lambda: model.make_workers(workers))
            model.batcher.scale(made)
            self._insert(model)
        return model

    async def scale(self, model: ServedModel, workers: int) -> None:
        """Changes the number of workers. New ones are compiled before they get requests."""
        async with self._loading:
            made = await self._for_client(pathlib.Path(model.function.path), lambda: model.make_workers(workers))
            if model.batcher.closed:
                for worker in made:
                    worker.close()
                raise ServeError(404, "the model was unregistered")
            model.batcher.scale(made)

    def set_default(self, name: str, version: str) -> None:
        """Makes a version the one that is used where a request names none.

        Raises:
            ServeError: 404; there is none.
        """
        self._defaults[name] = self.get(name, version).version

    def unregister(self, name: str, version: str | None = None) -> None:
        """Removes a version of a model, by default its default version. Batches that run are finished.

        Raises:
            ServeError: 404 if there is none; 403 for the default version of a model that has others.
        """
        model = self.get(name, version)
        versions = self._versions[name]
        if model.version == self._defaults[name] and len(versions) > 1:
            raise ServeError(403, f"{model.version!r} is the default version of {name!r}: make another one the default")
        del versions[model.version]
        if not versions:
            del self._versions[name], self._defaults[name]
        model.batcher.close()

    def _load(self, path: pathlib.Path, name: str | None, version: str, changes: dict[str, Any]) -> ServedModel:
        name = path.stem if name is None else name
        for what, given in (("name", name), ("version", version)):
            if not _NAME.fullmatch(given):
                raise ValueError(f"the {what} of a model has letters, digits, '.', '_' and '-'; got {_shown(given)}")
        function = export.load(path, inspect_programs=self._inspect)
        return ServedModel(
            function, name=name, version=version, file=path.name, metrics=self.metrics,
            settings=dataclasses.replace(self.settings, **changes),
        )

    def _check_free(self, name: str, version: str) -> None:
        if version in self._versions.get(name, {}):
            raise ServeError(409, f"version {version!r} of the model {name!r} is registered already")

    def _insert(self, model: ServedModel) -> None:
        if model.version in self._versions.get(model.name, {}):
            raise ValueError(
                f"two models are named {model.name!r} with version {model.version!r}: name them, as NAME/VERSION=FILE"
            )
        self._versions.setdefault(model.name, {})[model.version] = model
        self._defaults.setdefault(model.name, model.version)

    async def _for_client(self, path: pathlib.Path, load: Callable[[], Any]) -> Any:
        """Loads something in another thread. What a client is told of an error does not contain the folder."""
        try:
            return await asyncio.to_thread(load)
        except OSError:
            raise ServeError(404, f"the file {path.name!r} cannot be opened") from None
        except ValueError as error:
            raise ServeError(400, str(error).replace(str(path), path.name)) from error
        except Exception as error:  # whatever XLA says of a program that it cannot compile, or has no memory for
            _LOG.error("%s cannot be served", path.name, exc_info=error)
            raise ServeError(400, f"the file {path.name!r} cannot be served; the log of the server says why") from None


def _shown(name: str) -> str:
    """A name that a client gave, for a message."""
    return repr(name[:80])
