"""Programs of the old API in the shapes people write: each is upgraded whole, and then clips as hooks do.

``fixtures/programs/*.py`` train on Opacus 1.5.2; a first line ``# args: ...`` holds their arguments.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.api import scan
from tests.fix.conftest import Folder
from tests.fix.running import PARITY, recorded
from tests.fixtures_support import FIXTURES, numbers

PROGRAMS = {p.stem: p for p in sorted((FIXTURES / "programs").glob("*.py")) if p.stem != "data"}


def laid_out(name: str, folder: Path) -> Folder:
    data = (FIXTURES / "programs" / "data.py").read_bytes()
    files = {"train.py": PROGRAMS[name].read_bytes(), "data.py": data, "requirements.txt": "opacus==1.5.2\n"}
    return Folder(folder).write(files)


def arguments(name: str) -> list[str]:
    first = PROGRAMS[name].read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# args:").split() if first.startswith("# args:") else []


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_left_to_find(name: str, tmp_path: Path) -> None:
    project = laid_out(name, tmp_path)
    result = project.fix()
    assert (result.refused, result.remaining) == ((), ())
    assert result.applied == ("requirements.txt", "train.py")
    assert not [f for f in scan(["."], cwd=tmp_path).findings if f.severity != "info"]
    assert project.fix().diff == ""


@pytest.mark.opacus
@pytest.mark.parametrize("version", ["1.5.4", "1.6.0"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_clips_as_hooks_do(name: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    laid_out(name, tmp_path / "project").fix()
    out = tmp_path / "record.json"
    account = recorded(version, tmp_path / "project", "train.py", arguments(name), out=out, hooks=True)
    written, hooks = account["run"], account["hooks"]
    assert (written["error"], hooks["error"]) == (None, None), (written["message"], hooks["message"])
    assert len(account["hooks_errors"]) == written["steps"] == hooks["steps"] > 0
    assert max(account["hooks_errors"]) <= PARITY
    assert numbers(written["printed"]) == pytest.approx(numbers(hooks["printed"]), abs=2e-3)
