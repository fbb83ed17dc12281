"""``python -m tests.fuzzing.guided SECONDS FOLDER``: the readers of bytes, led by coverage (atheris).

Prints how many inputs there were. What fails is written to FOLDER, and the exit status is not 0.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(seconds: str, folder: str) -> None:
    """Never returns."""
    import atheris

    with atheris.instrument_imports(include=["dpmigrate.versions", "dpmigrate.workspace"]):
        from dpmigrate.workspace.notebook import load_notebook
        from dpmigrate.workspace.suppressions import in_lines
        from tests.fuzzing.kinds import pins_hold
        from tests.versions.test_parse_anything import SAMPLES
    names = [*SAMPLES, "uv.lock", "pylock.toml", "conda-lock.yml", "PKG-INFO", "run.sh"]

    def one(data: bytes) -> None:
        which, data = (data[0] if data else 0) % (len(names) + 2), data[1:]
        if which < len(names):
            pins_hold(names[which], data)
        elif which == len(names):
            try:
                load_notebook(data)
            except Exception as error:
                if type(error).__module__.startswith("dpmigrate"):
                    return
                raise
        else:
            in_lines(data.decode("utf-8", "replace").splitlines(keepends=True)).unused()

    corpus = Path(folder, "corpus")
    if not corpus.exists():
        corpus.mkdir(parents=True)
        for number, name in enumerate(names):
            (corpus / name).write_bytes(bytes([number]) + SAMPLES.get(name, "opacus==1.5.2\n").encode())
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", "-timeout=20", "-max_len=2000"]
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
