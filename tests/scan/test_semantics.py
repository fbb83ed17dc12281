"""What Python does with a value: small programs that choose a mode, run, and held to what a scan lists.

A file of ``semantics`` has many, each below a line ``#= its name``: what it leaves in ``M`` is the mode. The
scan may not know (``?``), or list others beside it; never others alone.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

FOLDER = Path(__file__).parent / "semantics"
RUN = "\nfrom opacus import PrivacyEngine\nPrivacyEngine().make_private(a, b, c, grad_sample_mode=M)\n"
NOT_FOLLOWED = {
    "python.txt": {
        "__setattr__ own",
        "__getattribute__",
        "descriptor set",
        "metaclass call",
        "__init_subclass__",
        "decorator class instance",
        "singledispatch",
        "__eq__ overload",
        "alias attr list",
        "loop var mutation of lists",
    },
    "state.txt": {"args tuple isolates list"},
    "flow.txt": {"iterator protocol", "aug list attr class"},
    "instances.txt": {"loop factory other unaffected", "dict loop isolates", "zip iter pairs"},
}
"""Programs of which a scan is wrong as yet: none may be added."""


def _programs(file: Path) -> Iterator[tuple[str, str]]:
    for block in file.read_text(encoding="utf-8").split("#= ")[1:]:
        name, _, text = block.partition("\n")
        yield name, text


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_the_mode_that_a_program_comes_to_is_listed(file: Path, tmp_path: Path) -> None:
    wrong = set()
    for name, text in _programs(file):
        names: dict[str, object] = {"__name__": "__main__"}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, name, "exec"), names)
        assert names["M"] == "ghost", name
        runs = api.scan(cwd=lay_out(tmp_path, train=text + RUN)).runs
        if not {"ghost", "?"} & {mode for run in runs for mode in run.mode}:
            wrong.add(name)
    assert wrong == NOT_FOLLOWED[file.name]
