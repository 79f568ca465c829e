"""Trains a classifier by a recipe.

Every option can be written as --batch-size 64, batch-size=64 or batch_size=64. `funcvision train --list` prints the
recipes, and `funcvision train RECIPE --show` the options of one with their values and meanings.

The folder --out receives result.json, curves.png, metrics.jsonl, checkpoints/STEP, model.safetensors and, with
model-ema, model_ema.safetensors. The same command continues a run that was stopped. The status is 0 at the end and
after SIGTERM; 1 if the run cannot go on, because of a full disk or memory, an image that cannot be read or a dead
worker; 2 for a mistake in the options; 3 for a loss that is not finite; 130 after Ctrl-C.
"""

import argparse
import errno
import shutil
import sys
import textwrap
import traceback

TYPE_CHECKING = False  # as in typing, whose import takes a tenth of the time of `funcvision --help`
if TYPE_CHECKING:
    from ..train.recipe import Recipe

__all__ = ["HELP", "add_arguments", "arranged", "run"]

HELP = "train a classifier"
FLAGS = ("--list", "--show", "-h", "--help")
CANNOT_GO_ON, MISTAKE, NOT_FINITE, INTERRUPTED = 1, 2, 3, 130
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What a disk that is full or broken answers to a program that writes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision train`."""
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", help="the name of a recipe, or your own FILE.py")
    parser.add_argument(
        "options", metavar="KEY=VALUE", nargs="*",
        help="options of the recipe, such as --data SPEC, --out DIR, --resume auto|PATH|none, --epochs 5",
    )
    parser.add_argument("--list", action="store_true", help="print the recipes")
    parser.add_argument("--show", action="store_true", help="print the options of the recipe, and do not train")


def arranged(arguments: list[str]) -> list[str]:
    """The arguments as argparse takes them: flags, then the recipe, then options as `key=value` in any number.

    A key that another key or nothing follows is true, so that `--amp` means `amp=true`.

    >>> arranged(["--batch-size", "64", "digits", "lr=0.1", "--amp", "--show"])
    ['--show', 'digits', 'batch-size=64', 'lr=0.1', 'amp=true']
    """
    flags, words, options, number = [], [], [], 0
    while number < len(arguments):
        argument = arguments[number]
        following = arguments[number + 1] if number + 1 < len(arguments) else "--"
        number += 1
        if argument in FLAGS:
            flags.append(argument)
        elif not argument.startswith("--"):
            (options if "=" in argument else words).append(argument)
        elif "=" in argument:
            options.append(argument[2:])
        elif following.startswith("--") or ("=" in following and not _is_value(following)):
            options.append(f"{argument[2:]}=true")
        else:
            options.append(f"{argument[2:]}={following}")
            number += 1
    return [*flags, *words, *options]


def _is_value(text: str) -> bool:
    """Whether a text with "=" is a value, such as a path, and not key=value."""
    return not text.partition("=")[0].replace("-", "_").isidentifier()


def run(arguments: argparse.Namespace) -> int:
    """Trains, or prints recipes or options; returns the exit status."""
    from ..train.options import parse
    from ..train.recipe import find_recipe, list_recipes

    if arguments.list:
        for name in list_recipes():
            module = sys.modules[find_recipe(name).__module__]
            print(_columns(name, (module.__doc__ or "").partition("\n")[0], 24))
        return 0
    if arguments.recipe is None or "=" in arguments.recipe:  # no recipe, and the first option in its place
        raise ValueError(f"give the name of a recipe: {', '.join(list_recipes())}")
    recipe = parse(find_recipe(arguments.recipe), arguments.options)
    if arguments.show:
        _show(recipe)
        return 0
    return _train(arguments.recipe, recipe)


def _show(recipe: "Recipe") -> None:
    """Prints every option, its value and its meaning."""
    from ..train.options import meaning, shown

    for name, value in shown(recipe).items():
        print(_columns(f"{name}={value}", meaning(type(recipe), name.replace("-", "_")), 45))


def _columns(left: str, right: str, width: int) -> str:
    """Two texts as a line, the left one of so many characters; in a narrow terminal the right one is below it."""
    if not sys.stdout.isatty():
        return f"{left.ljust(width - 1)} {right}"
    columns = shutil.get_terminal_size().columns
    if columns > 2 * width:
        return textwrap.fill(f"{left.ljust(width - 1)} {right}", columns, subsequent_indent=" " * width)
    return "\n".join([left, *textwrap.wrap(right, columns, initial_indent="    ", subsequent_indent="    ")])


def _train(name: str, recipe: "Recipe") -> int:
    """Trains and prints what was reached."""
    from .. import enable_compilation_cache
    from ..train.processes import end_together, ending_with_others, start_processes
    from ..train.run import run as train

    enable_compilation_cache()  # a second run need not compile again
    start_processes(recipe)
    import jax

    try:
        with ending_with_others():
            figures = train(name, recipe)
    except BaseException as error:
        foreseen = _reason(error, recipe.out)
        reason, status = foreseen or (" ".join(f"{type(error).__name__}: {error}".split()), CANNOT_GO_ON)
        end_together(reason, status, "" if foreseen else traceback.format_exc())
        if foreseen is None:
            raise
        print(f"funcvision: {reason}", file=sys.stderr)
        return status
    if jax.process_index() == 0:
        if not figures["finished"]:
            print(f"stopped after step {figures['step']}; the same command continues from there")
        else:
            print(", ".join(f"{key} {value:.4g}" for key, value in figures.items() if isinstance(value, float)))
    return 0


def _reason(error: BaseException, out: str) -> tuple[str, int] | None:
    """Why the run in a folder ends, in one line, and the exit status; None if the error was not foreseen."""
    import jax

    from ..data import LoadError
    from ..train.options import OptionError

    status = CANNOT_GO_ON
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        reason = f"{error.filename or out}: {error.strerror}"
    elif isinstance(error, KeyboardInterrupt):
        reason, status = "interrupted; the same command continues from the newest checkpoint", INTERRUPTED
    elif isinstance(error, FloatingPointError):
        reason, status = str(error), NOT_FINITE
    elif isinstance(error, OptionError):
        reason, status = str(error), MISTAKE
    elif isinstance(error, LoadError):
        reason = str(error)
    elif isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error):
        reason = (f"the device has too little memory: try a smaller batch-size, accumulate=2, remat=true or amp=true "
                  f"({str(error).partition(chr(10))[0]})")
    else:
        return None
    return " ".join(reason.split()), status
