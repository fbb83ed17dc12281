"""Entry point of ``dpmigrate`` and ``python -m dpmigrate``."""

import os
import sys


def main() -> None:
    """Run the command line; raises SystemExit with the documented exit status."""
    from dpmigrate.cli import main as command

    command()


if __name__ == "__main__":
    # ``python -m`` looks for modules in the current folder first: a click.py there would be run.
    here = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
    if sys.path[:1] in ([""], [here]) and not __file__.startswith(here.rstrip(os.sep) + os.sep):
        del sys.path[0]
    main()
