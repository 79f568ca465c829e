"""`python -m benchmarks NAME ...` runs benchmarks by name; without a name it lists them."""

import importlib
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_") and p.stem != "harness")


def main() -> None:
    chosen = sys.argv[1:]
    unknown = sorted(set(chosen) - set(NAMES))
    if not chosen or unknown:
        for name in NAMES:
            first, _, _ = (importlib.import_module(f"benchmarks.{name}").__doc__ or "").partition("\n")
            print(f"  {name:16} {first}")
        sys.exit(f"benchmarks: no benchmark is named {', '.join(unknown)}; the names are above" if unknown else 0)
    for name in chosen:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
