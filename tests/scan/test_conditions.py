"""What a test tells of both its branches: the modes that a run can have behind it, no more and no fewer."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

PROGRAM = """
import sys
from opacus import PrivacyEngine

A = "a" if len(sys.argv) > 1 else "b"
NAMES = ["ghost", "hooks"]
TABLE = {{"mode": "ghost", "none": None}}

class Trainer:
    pass

def main(model, optimizer, loader, option, other, count):
    mode = "hooks"
    {code}
    PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode=mode)
"""
GHOST, HOOKS, OPEN = {"ghost"}, {"hooks"}, {"ghost", "hooks"}
TESTS = {
    # One side decides, or neither does.
    "False and option": HOOKS,
    "option and False": HOOKS,
    "True or option": GHOST,
    "option or True": GHOST,
    "True and option": OPEN,
    "False or option": OPEN,
    "option and other": OPEN,
    "option or other": OPEN,
    "not option": OPEN,
    "option and not option": HOOKS,
    "option or not option": GHOST,
    "not (option and other) and option and other": HOOKS,
    "(option or other) and not option and not other": HOOKS,
    "option == 'x' and option == 'y'": HOOKS,
    "option == 'x' and option != 'x'": HOOKS,
    "option == 'x' and 'x' in option": OPEN,
    "option == 'x' and 'y' in option": HOOKS,
    "option == 'ghost-b' and 'ghost' not in option": HOOKS,
    "option in ('x', 'y') and option == 'z'": HOOKS,
    "option in ('x', 'y') and option == 'x'": OPEN,
    "option not in ('x', 'y') and option == 'x'": HOOKS,
    "option in ('x',) and option != 'x'": HOOKS,
    "A in ('a', 'b')": GHOST,
    "A in ('c', 'd')": HOOKS,
    "A in ('a', 'c')": OPEN,
    "A not in ('a', 'b')": HOOKS,
    "A == 'a'": OPEN,
    "A == 'c'": HOOKS,
    "A != 'c'": GHOST,
    # Numbers, and lengths.
    "1 < 2": GHOST,
    "2 < 1": HOOKS,
    "1 <= 1": GHOST,
    "1 >= 2": HOOKS,
    "2 > 1": GHOST,
    "count > 3": OPEN,
    "count > 3 and not count > 3": HOOKS,
    "3 < count and not count > 3": HOOKS,
    "3 <= count and not count >= 3": HOOKS,
    "len(NAMES) == 2": GHOST,
    "len(NAMES) != 2": HOOKS,
    "len(NAMES) > 2": HOOKS,
    "len(NAMES) >= 2": GHOST,
    "len(option) == 2": OPEN,
    # What a text, a table, a list holds.
    "'gh' in 'ghost'": GHOST,
    "'xx' in 'ghost'": HOOKS,
    "'xx' not in 'ghost'": GHOST,
    "'mode' in TABLE": GHOST,
    "'nodes' in TABLE": HOOKS,
    "'none' in TABLE": GHOST,
    "'mode' not in TABLE": HOOKS,
    "'ghost' in NAMES": GHOST,
    "'xx' in NAMES": HOOKS,
    "option in NAMES": OPEN,
    "option in TABLE": OPEN,
    "'x' in option": OPEN,
    "'x' in option and 'x' not in option": HOOKS,
    # Kinds.
    "isinstance('a', str)": GHOST,
    "isinstance('a', (int, float))": HOOKS,
    "isinstance('a', (int, str))": GHOST,
    "isinstance(1, str)": HOOKS,
    "isinstance(NAMES, list)": GHOST,
    "isinstance(NAMES, tuple)": HOOKS,
    "isinstance((1, 2), tuple)": GHOST,
    "isinstance(option, str)": OPEN,
    "isinstance(option, str) and not isinstance(option, str)": HOOKS,
    "'ghost'.startswith('gh')": GHOST,
    "'ghost'.endswith('gh')": HOOKS,
    "option.startswith('gh')": OPEN,
    "option.startswith('gh') and not option.startswith('gh')": HOOKS,
    "option.startswith('gh') and not option.endswith('gh')": OPEN,
    # Equality and truth of what is no text.
    "None is None": GHOST,
    "TABLE['none'] is None": GHOST,
    "TABLE['mode'] is None": HOOKS,
    "1 == '1'": HOOKS,
    "Trainer is None": HOOKS,
    "Trainer == Trainer": GHOST,
    "main is Trainer": HOOKS,
    "option is None and option": HOOKS,
    "option is None and option is not None": HOOKS,
    "(seen := option) and not seen": HOOKS,
    "(seen := 'x')": GHOST,
    "(seen := '')": HOOKS,
    "[]": HOOKS,
    "NAMES": GHOST,
    "0": HOOKS,
    "0.5": GHOST,
}


@pytest.mark.parametrize("test", TESTS)
def test_the_modes_behind_a_test_are_those_of_some_execution(tmp_path: Path, test: str) -> None:
    code = f"if {test}:\n        mode = 'ghost'"
    (tmp_path / "train.py").write_text(PROGRAM.format(code=code), encoding="utf-8")
    result = api.scan(["."], cwd=tmp_path, jobs=1)
    (run,) = result.runs
    assert result.not_analysed == ()
    assert set(run.mode) == TESTS[test]


@pytest.mark.parametrize(
    ("first", "modes"),
    [("kind == 'a' and other", OPEN), ("kind == 'a' or other", OPEN), ("kind == 'a'", OPEN)],
)
def test_what_one_test_tells_is_forgotten_behind_it(tmp_path: Path, first: str, modes: set[str]) -> None:
    lines = ["kind = A", f"if {first}:", "    print(kind)", "if kind == 'b':", "    mode = 'ghost'"]
    code = "\n    ".join(lines)
    (tmp_path / "train.py").write_text(PROGRAM.format(code=code), encoding="utf-8")
    (run,) = api.scan(["."], cwd=tmp_path, jobs=1).runs
    assert set(run.mode) == modes


@pytest.mark.parametrize("test", TESTS)
def test_nothing_is_told_that_python_does_not_do(test: str) -> None:
    """The table itself, by Python."""
    seen = set()
    for argument in ([], ["x"]):
        for option in (None, "", "x", "y", "ghost", "ghost-b", "mode", "gh", "xgh", "xy", 1, ["x"]):
            for other in (False, True):
                for count in (2, 3, 4):
                    names = {
                        "option": option,
                        "other": other,
                        "count": count,
                        "A": "a" if argument else "b",
                        "NAMES": ["ghost", "hooks"],
                        "TABLE": {"mode": "ghost", "none": None},
                        "Trainer": type("Trainer", (), {}),
                        "main": print,
                    }
                    try:
                        seen.add("ghost" if eval(test, names) else "hooks")
                    except (TypeError, AttributeError):
                        continue
    assert seen <= TESTS[test]
