"""The transcript in README.md, made by really running its commands.

Run as ``python -m tests.cli.readme README.md``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = CHECKOUT / "fixtures" / "digits-story" / "before"
BLOCK = re.compile(
    r"(<!-- transcript of .*? -->\n```console\n)(.*?)(```\n<!-- transcript: end -->)", re.DOTALL
)


def transcript(commands: list[str], folder: Path) -> str:
    """What a person sees who types `commands` in a copy of the project made in `folder`."""
    project = folder / "digits"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__"))
    env = {key: value for key, value in os.environ.items() if key != "FORCE_COLOR"}
    env["PYTHONPATH"] = str(CHECKOUT)
    shown: list[str] = []
    for command in commands:
        program, *arguments = command.split()
        assert program == "dpmigrate", command
        done = subprocess.run(
            [sys.executable, "-m", "dpmigrate", *arguments],
            cwd=project,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        shown.append(f"$ {command}\n{done.stdout}")
    return "\n".join(shown)


def updated(text: str) -> str:
    """`text` with the transcript of its commands made anew. Raises ValueError where there is none."""
    found = BLOCK.search(text)
    if found is None:
        raise ValueError("there is no transcript between the two marker lines")
    commands = re.findall(r"^\$ (.+)$", found[2], re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        return text[: found.start(2)] + transcript(commands, Path(folder)) + text[found.end(2) :]


def main() -> None:
    """Write the transcript of the file that the command line names anew."""
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
