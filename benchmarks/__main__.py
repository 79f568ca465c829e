"""`python -m benchmarks NAME ...` runs benchmarks by name; without a name it lists them."""

import importlib
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_") and p.stem != "harness")


def main() -> None:
    chosen = sys.argv[1:]
    if not chosen or not set(chosen) <= set(NAMES):
        for name in NAMES:
            first = importlib.import_module(f"benchmarks.{name}").__doc__.partition("\n")[0]
            print(f"  {name:16} {first}")
        sys.exit(0 if not chosen else f"benchmarks: no such name among {' '.join(chosen)}")
    for name in chosen:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
