"""However a program is written, it is fixed alike, its comments stay, and a second fix changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import libcst as cst
import pytest

from dpmigrate.fixing import fix
from tests.fix.test_programs import PROGRAMS
from tests.fix.variations.compare import GONE, comments, imported, lost, meaning
from tests.fix.variations.import_forms import IMPORT_FORMS
from tests.fix.variations.layout import LAYOUTS, Variation
from tests.fix.variations.structure import STRUCTURES
from tests.fixtures_support import FIXTURES, fixtures

VARIATIONS: dict[str, Variation] = {**LAYOUTS, **STRUCTURES, **IMPORT_FORMS}
SHARE = int(os.environ.get("DPMIGRATE_VARIATIONS", "25"))
"""One in so many cases is tried; ``make variations`` tries them all."""

REORDERED = frozenset(["bound_method", "semicolons", "starred_targets"])
"""Variations with one more statement, before or behind which what the fix puts in may stand."""
LIFTED = frozenset(["in_an_if"])
"""Variations with a condition around the call, before which a criterion stands that both branches need."""
BY_MODE = frozenset(["mode_argument", "argparse-mode", "kwargs_mode"])
"""Programs whose call runs in several modes: what the fix puts there is written in its own way."""

NEW_CODE = {
    "starred_targets": frozenset(["attached-engine", "virtual-step"]),
    "bound_method": frozenset(["attached-engine", "virtual-step"]),
    "result_in_a_variable": frozenset(["attached-engine", "virtual-step"]),
    "walrus": frozenset(["loader-generator-bare", "noise-generator-bare"]),
    "semicolons": frozenset(["loader-generator-bare", "noise-generator-bare"]),
}
"""Projects in which what varies is what the fix writes itself, in its own way."""
LEFT = {
    "semicolons": frozenset(
        [
            *("loader-generator-bare", "noise-generator-bare", "returned_dict", "dataclass_config"),
            *("named_tuple", "named_tuple_unpacked", "dataclass_result", "attached-engine"),
            *("virtual-step", "click_command"),
        ]
    ),
}
"""What may be left alone: a generator, criterion, attach() or fields on a shared line."""

Files = Mapping[str, bytes]


@cache
def sources() -> dict[str, dict[str, bytes]]:
    """The files of every project, by its name."""
    found = {
        f.name: {
            str(p.relative_to(f.side("before"))): p.read_bytes()
            for p in sorted(f.side("before").rglob("*"))
            if p.is_file() and "__pycache__" not in p.parts
        }
        for f in fixtures()
        if f.has("after") and f.name != "notebook"
    }
    data = (FIXTURES / "programs" / "data.py").read_bytes()
    for name, path in PROGRAMS.items():
        found[name] = {
            "train.py": path.read_bytes(),
            "data.py": data,
            "requirements.txt": b"opacus==1.5.2\n",
        }
    return found


UNSAFE = frozenset(f.name for f in fixtures() if "--unsafe" in f.expect.get("fix_args", ()))


def fixed(files: Files, unsafe: bool) -> tuple[dict[str, str], tuple[str, ...], str]:
    """The Python files after a fix, what was refused, and what a second fix would change."""
    with TemporaryDirectory() as name:
        folder = Path(name, "project")
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        result = fix(["."], apply=True, cwd=folder, unsafe=unsafe)
        refused = tuple(reason for _, reason in result.refused)
        again = fix(["."], cwd=folder, unsafe=unsafe)
        after = {path: (folder / path).read_bytes().decode() for path in files if path.endswith(".py")}
        shutil.rmtree(folder)
        return after, refused, again.diff


@cache
def plain(name: str) -> dict[str, str]:
    """What the fix makes of a project as it stands."""
    after, refused, again = fixed(sources()[name], name in UNSAFE)
    assert (refused, again) == ((), "")
    return after


def varied(text: str, name: str) -> str:
    """A module's text after a variation."""
    return VARIATIONS[name](cst.parse_module(text)).code


def laid_out(text: str, variation: str) -> list[str]:
    """What a module says, line by line, as far as a variation leaves the lines where they are."""
    lines = meaning(text).split("\n")
    if variation in LIFTED:
        return sorted(line.strip() for line in lines)
    return sorted(lines) if variation in REORDERED else lines


def chosen() -> list[tuple[str, str]]:
    """The cases of this run: spread over variations and projects alike."""
    everything = [(v, p) for v in VARIATIONS for p in sources()]
    return [case for number, case in enumerate(everything) if number % SHARE == 0]


@pytest.mark.parametrize(("variation", "project"), chosen())
def test_every_way_to_write_it_is_fixed_alike(variation: str, project: str) -> None:
    before = {
        path: varied(data.decode(), variation).encode() if path.endswith(".py") else data
        for path, data in sources()[project].items()
    }
    after, refused, again = fixed(before, project in UNSAFE)
    if variation == "chained_results" and project in BY_MODE:
        assert "taken apart" in refused[0]
        return
    assert again == ""
    if refused and project in LEFT.get(variation, ()):
        return
    assert refused == ()
    for path, text in after.items():
        expected = varied(plain(project)[path], variation)
        if variation in ("starred_targets", "bound_method") and project in BY_MODE:
            continue
        if project in NEW_CODE.get(variation, ()):
            continue
        assert laid_out(text, variation) == laid_out(expected, variation), path
        assert not [name for name in imported(text) if name.endswith(GONE)]
        assert lost(before[path].decode(), text) == []
        own, now = comments(before[path].decode()), comments(text)
        kept = {c: {part.rstrip(",") for part in own[c].partition("=")[::2]} for c in own}
        # It may stand by position now.
        moved = [c for c in now if "# of " in c and now[c].split("=")[0].rstrip(",") not in kept[c]]
        assert moved == []
