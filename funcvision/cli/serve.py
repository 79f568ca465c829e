"""Serves exported models over HTTP: predictions, metrics, management, and a page for people.

A run of `funcvision train` is exported first. All models are loaded and compiled before the port opens. SIGTERM ends
the server after the requests in progress.
"""

import argparse
import os

from ._inputs import is_run

__all__ = ["HELP", "add_arguments", "run"]

HELP = "serve exported models over HTTP"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision serve`."""
    parser.add_argument(
        "files", metavar="FILE", nargs="*",
        help="a file that funcvision export wrote, or the folder of a run of funcvision train, served under its name; "
        "or NAME=FILE, or NAME/VERSION=FILE",
    )
    parser.add_argument("--recipe", metavar="FILE", help="the file of the recipe of the runs, if it is your own")
    parser.add_argument("--host", default="127.0.0.1", help="the address (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="0 for any free one (default: 8000)")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N",
        help="batches of one model that are computed at the same time, in turn on all devices (default: 1)",
    )
    parser.add_argument(
        "--max-batch", type=int, default=8, metavar="N", help="images that are computed together (default: 8)"
    )
    parser.add_argument(
        "--max-delay-ms", type=_number, default=5.0, metavar="MS",
        help="how long a batch waits for requests that are being decoded (default: 5)",
    )
    parser.add_argument(
        "--max-queue", type=int, default=128, metavar="N", help="requests of one model; others get 503 (default: 128)"
    )
    parser.add_argument(
        "--timeout", type=_number, default=30.0, metavar="S", help="seconds from a request to its answer (default: 30)"
    )
    parser.add_argument("--max-mib", type=_number, default=32.0, metavar="MIB", help="of one body (default: 32)")
    parser.add_argument(
        "--max-pixels", type=int, default=50_000_000, metavar="N",
        help="of an image, before and after resizing (default: 50000000)",
    )
    parser.add_argument("--models", metavar="FOLDER", help="from which clients may register .fv files by their names")
    parser.add_argument("--api-key-file", metavar="FILE", help="keys, one a line, of which clients need one")
    parser.add_argument(
        "--manage-from-anywhere", action="store_true",
        help="answer management calls from other machines too (default: from this machine only)",
    )
    parser.add_argument(
        "--drain", type=_number, default=30.0, metavar="S",
        help="seconds for requests in progress when it ends (default: 30)"
    )
    parser.add_argument(
        "--trust-files", action="store_true", help="do not inspect the files in a separate process before they are run"
    )


def run(arguments: argparse.Namespace) -> None:
    """Loads all models, opens the port, and answers requests until a signal comes."""
    import sys
    import tempfile

    from .. import enable_compilation_cache

    try:
        from .. import serve
        from ..serve.access import read_keys
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "prometheus_client"):
            raise
        raise ImportError('the server needs starlette and uvicorn: pip install "funcvision[serve]"') from error

    if not arguments.files and not arguments.models:
        raise ValueError("give files to serve, or --models FOLDER from which clients register them")
    if arguments.models and not os.path.isdir(arguments.models):
        raise ValueError(f"--models: there is no folder {arguments.models}")
    if arguments.workers < 1:
        raise ValueError(f"--workers must be 1 or more; got {arguments.workers}")
    keys = read_keys(arguments.api_key_file) if arguments.api_key_file else []
    if not keys and arguments.host not in ("127.0.0.1", "::1", "localhost"):
        print("without --api-key-file, everyone who reaches this port can use the models", file=sys.stderr)
    settings = serve.Settings(
        max_batch=arguments.max_batch, max_delay=arguments.max_delay_ms / 1000, max_queue=arguments.max_queue,
        timeout=arguments.timeout, max_bytes=round(arguments.max_mib * 2**20), max_pixels=arguments.max_pixels,
    )
    enable_compilation_cache()
    with tempfile.TemporaryDirectory() as folder, serve.open_port(arguments.host, arguments.port) as bound:
        # A port that is taken is reported before the models are loaded.
        registry = serve.Registry(settings, folder=arguments.models, inspect_programs=not arguments.trust_files)
        for given in arguments.files:
            name, version, path = _named(given)
            if is_run(path):
                path = _export(path, tempfile.mkdtemp(dir=folder), arguments.recipe)
            options = {"version": version} if version else {}
            model = registry.add(path, name=name, workers=arguments.workers, **options)
            print(
                f"{model.name} {model.version}: {model.task}, batches of at most {model.max_batch}", file=sys.stderr
            )
        app = serve.create_app(registry, keys=keys, manage_from_anywhere=arguments.manage_from_anywhere)
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        address = f"http://{host}:{bound.getsockname()[1]}"
        serve.run(app, bound, drain=arguments.drain, ready=lambda: print(f"serving at {address}", flush=True))


def _export(path: str, folder: str, recipe: str | None) -> str:
    """Exports a run of `funcvision train` into a folder, and returns the path of the file, which has the run's name."""
    import contextlib
    import pathlib
    import sys

    from ..train.outputs import find_run
    from . import export

    run_folder, _ = find_run(path) or (pathlib.Path(path), "")
    out = os.path.join(folder, f"{run_folder.resolve().name}.fv")
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    with contextlib.redirect_stdout(sys.stderr):  # stdout has the address only
        export.run(parser.parse_args([path, "--out", out, *(["--recipe", recipe] if recipe else [])]))
    return out


def _number(text: str) -> float:
    """The number that an option gives."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


def _named(given: str) -> tuple[str | None, str | None, str]:
    """Name, version and path of FILE, NAME=FILE or NAME/VERSION=FILE."""
    if os.path.exists(given) or "=" not in given:
        return None, None, given
    name, _, path = given.partition("=")
    name, _, version = name.partition("/")
    return name, version or None, path
