"""What a test tells of both its branches: the modes that a run can have behind it, no more and no fewer."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest

from dpmigrate import api

PROGRAM = """
import sys
from enum import Enum
from opacus import PrivacyEngine

A = "a" if len(sys.argv) > 1 else "b"
NAMES = ["ghost", "hooks"]
TABLE = {{"mode": "ghost", "none": None}}

class Trainer:
    pass

class Sized:
    def __len__(self):
        return 0

class Answering:
    def __bool__(self):
        return False

class Heir(Sized, Trainer):
    pass

class Mode(Enum):
    GHOST = "ghost"
    HOOKS = "hooks"

def main(model, optimizer, loader, option, other, count):
    mode = "hooks"
    {code}
    PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode=mode)
"""


class Mode(Enum):
    GHOST = "ghost"
    HOOKS = "hooks"


class Sized:
    def __len__(self) -> int:
        return 0


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
    # What the first of two tests tells holds in the second, and nowhere else.
    "option == 'x' and {'x': 0, 'y': 1}[option]": HOOKS,
    "not (A == 'a' and {'a': 1, 'b': 0}[A]) and A == 'a'": HOOKS,
    "(option == 'x' and False) or option == 'y'": OPEN,
    "not (option and True) and option": HOOKS,
    "not (option and 1 < 2) and option": HOOKS,
    "not (option == other and option) and option": OPEN,
    "not (option or False) and option": HOOKS,
    "(option or 2 < 1) and not option": HOOKS,
    "not (option == 'x' or option == 'y') and option == 'x'": HOOKS,
    "(option == 'x' or option == 'y') and option == 'z'": HOOKS,
    "(option == 'x' or option == 'y') and option == 'y'": OPEN,
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
    "count > other": OPEN,
    "option > 'x'": OPEN,
    "'x' < 'y'": OPEN,
    "2 > count and not 2 > count": HOOKS,
    "2 >= count and not 2 >= count": HOOKS,
    "2 > count and count < 2": OPEN,
    "count < 3 and not count < 4": OPEN,
    "count > 3 and not count > 4": OPEN,
    "1 == True": OPEN,
    "0 == False": OPEN,
    "1 == False": HOOKS,
    "2 == True": HOOKS,
    "1 == 1.0": GHOST,
    "True in (0, 1)": OPEN,
    "None == False": HOOKS,
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
    "option in ('x', other) and option == 'y'": OPEN,
    "option in ('x', other) and option == 'x'": OPEN,
    "option in (other,) and option == 'x'": OPEN,
    "option in ('x', 'y') and option not in ('y', 'x')": HOOKS,
    "option in ('x', 'y') and option not in ('x', 'gh')": OPEN,
    "option not in ('x', 'y') and option in ('x', 'gh')": OPEN,
    "option not in ('x', 'y', 'gh') and option == 'gh'": HOOKS,
    "option not in ('a', 'b', 'c', 'd', 'x') and option == 'x'": OPEN,
    "A in ('a', 'c') and A == 'b'": HOOKS,
    "A not in ('a', 'c') and A == 'a'": HOOKS,
    "A in ('a',) and A == 'b'": HOOKS,
    "option in []": HOOKS,
    "'x' in ['x', option]": OPEN,
    "'mode' in {**TABLE, 'x': option}": GHOST,
    "1 in TABLE": OPEN,
    "'mode' in TABLE.keys()": GHOST,
    "'nodes' in TABLE.keys()": HOOKS,
    "'x' in option.keys()": OPEN,
    "'x' in {option: 1}": OPEN,
    "'x' not in {option: 1}": OPEN,
    "'x' in {'y': 1}": HOOKS,
    # What a class says of the truth of its objects.
    "Trainer()": GHOST,
    "Sized()": OPEN,
    "Answering()": OPEN,
    "Heir()": OPEN,
    "not Heir()": OPEN,
    # Kinds.
    "isinstance('a', str)": GHOST,
    "isinstance('a', (int, float))": HOOKS,
    "isinstance('a', (int, str))": GHOST,
    "isinstance(1, str)": HOOKS,
    "isinstance(NAMES, list)": GHOST,
    "isinstance(NAMES, tuple)": HOOKS,
    "isinstance((1, 2), list)": HOOKS,
    "isinstance((1, 2), (list, tuple))": GHOST,
    "isinstance(1, (str, int, float, bool, tuple, list))": GHOST,
    "isinstance(NAMES, (str, int, float, bool, tuple, list))": GHOST,
    "1 in (1, 1.0)": GHOST,
    "A in ('b', 'a') and A != 'a' and A != 'b'": HOOKS,
    "isinstance((1, 2), tuple)": GHOST,
    "isinstance(option, str)": OPEN,
    "isinstance(option, str) and not isinstance(option, str)": HOOKS,
    "'ghost'.startswith('gh')": GHOST,
    "'ghost'.endswith('gh')": HOOKS,
    "option.startswith('gh')": OPEN,
    "option == 'ghost' and option.startswith('ho')": HOOKS,
    "option.startswith('gh') and option.endswith('st')": OPEN,
    "option.startswith(('gh', 'ho'))": OPEN,
    "A.startswith('a') and A == 'b'": HOOKS,
    "isinstance(None, str)": HOOKS,
    "isinstance(None, Trainer)": OPEN,
    "isinstance(None, Enum)": HOOKS,
    "isinstance('a', Enum)": OPEN,
    "isinstance(None, object)": GHOST,
    "isinstance('a', object)": GHOST,
    "isinstance(NAMES, (str, object))": GHOST,
    "isinstance(option, object)": GHOST,
    "isinstance('a', Trainer)": OPEN,
    "isinstance('a', (str, Trainer))": OPEN,
    "isinstance(True, bool)": GHOST,
    "isinstance(True, int)": GHOST,
    "isinstance(0.5, float)": GHOST,
    "isinstance(NAMES, (list, tuple))": GHOST,
    "isinstance(NAMES, (str, int))": HOOKS,
    "isinstance(NAMES, Trainer)": OPEN,
    "isinstance(option, other)": OPEN,
    "isinstance(option, (str, other))": OPEN,
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
    "option is Trainer": OPEN,
    "option is Trainer and option is None": HOOKS,
    "option is Trainer and option is not Trainer": HOOKS,
    "Trainer == option and option == Trainer": OPEN,
    "Mode.GHOST is Mode.GHOST": GHOST,
    "Mode.GHOST == Mode.HOOKS": HOOKS,
    "Mode.GHOST is None": HOOKS,
    "Mode.GHOST == 'ghost'": OPEN,
    "option is Mode.GHOST": OPEN,
    "option is Mode.GHOST and option is Mode.HOOKS": HOOKS,
    "Mode.GHOST is option and option is not Mode.GHOST": HOOKS,
    "option == sys.platform": OPEN,
    "option == sys.platform and option == 'x'": OPEN,
    "option == sys.platform and option != sys.platform": HOOKS,
    "sys.platform == 'x' and sys.platform == 'y'": HOOKS,
    "Trainer == sys.platform": OPEN,
    "option == other": OPEN,
    "option is None and option": HOOKS,
    "option is None and option is not None": HOOKS,
    "(seen := option) and not seen": HOOKS,
    "option and (seen := other) and not seen": HOOKS,
    "other and (seen := A) == 'a' and seen == 'b'": HOOKS,
    "other and (seen := A) == 'a' and seen == 'a'": OPEN,
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


@pytest.mark.parametrize(
    ("value", "first", "second"),
    [
        ("2", "value > 1", "value > 2"),
        ("'gx'", "value.startswith('g')", "value.startswith('gx')"),
        ("'gx'", "value in ('ga', 'gx')", "value in ('gx', 'gy')"),
        ("'gx'", "'g' in value", "'x' in value"),
        ("[1]", "len(value) > 0", "len(value) > 1"),
        ("Trainer()", "isinstance(value, (Trainer, str))", "isinstance(value, Trainer)"),
    ],
)
def test_two_tests_of_one_variable_are_two(tmp_path: Path, value: str, first: str, second: str) -> None:
    lines = ["try:", "    value = option.get()", "except KeyError:", f"    value = {value}"]
    lines += [f"one = {first}", f"two = {second}", "if one and not two:", "    mode = 'ghost'"]
    (tmp_path / "train.py").write_text(PROGRAM.format(code="\n    ".join(lines)), encoding="utf-8")
    (run,) = api.scan(["."], cwd=tmp_path, jobs=1).runs
    assert set(run.mode) == OPEN


@pytest.mark.parametrize("method", ["__bool__", "__len__"])
@pytest.mark.parametrize("kind", ["Own", "Heir"])
def test_an_object_may_say_that_it_is_false(tmp_path: Path, method: str, kind: str) -> None:
    lines = ["class Own:", f"    def {method}(self): return option", "class Heir(Own): pass"]
    lines += [f"if {kind}():", "    mode = 'ghost'"]
    (tmp_path / "train.py").write_text(PROGRAM.format(code="\n    ".join(lines)), encoding="utf-8")
    (run,) = api.scan(["."], cwd=tmp_path, jobs=1).runs
    assert set(run.mode) == OPEN


@pytest.mark.parametrize("made", ["[0 for each in NAMES if {}]", "any(0 for each in NAMES if {})"])
@pytest.mark.parametrize(
    "test", ["kind == 'a' or other", "kind == 'a' and other", "kind == 'a'", "not other"]
)
def test_what_a_comprehension_asks_is_forgotten_behind_it(tmp_path: Path, made: str, test: str) -> None:
    lines = ["kind = A", made.format(test), "if kind == 'b' and other:", "    mode = 'ghost'"]
    (tmp_path / "train.py").write_text(PROGRAM.format(code="\n    ".join(lines)), encoding="utf-8")
    (run,) = api.scan(["."], cwd=tmp_path, jobs=1).runs
    assert set(run.mode) == OPEN


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
                        "Sized": Sized,
                        "Answering": type("Answering", (), {"__bool__": lambda self: False}),
                        "Heir": type("Heir", (Sized,), {}),
                        "main": print,
                        "Enum": Enum,
                        "Mode": Mode,
                        "sys": SimpleNamespace(platform="x"),
                    }
                    try:
                        seen.add("ghost" if eval(test, names) else "hooks")
                    except (TypeError, AttributeError, KeyError):
                        continue
    assert seen <= TESTS[test]


NAMING = {
    "option == 'ghost'": True,
    "'ghost' == option": True,
    "option != 'ghost'": True,
    "option in ('ghost', 'x')": True,
    "option in ('ghost',)": True,
    "option not in ['x', 'ghost']": True,
    "option in TABLE": True,
    "option in ('ghost', other)": True,
    "'ghost' in option": True,
    "option.startswith('ghost')": True,
    "option.endswith('ghost')": True,
    "option == 'x'": False,
    "other == 'ghost'": False,
    "option in ('x', 'y')": False,
    "'ghost' in other": False,
}


@pytest.mark.parametrize("test", NAMING)
def test_what_an_option_is_held_against_it_can_be(tmp_path: Path, test: str) -> None:
    text = PROGRAM.replace('"mode": "ghost"', '"ghost": "mode"').format(code=f"if {test}:\n        print()")
    (tmp_path / "train.py").write_text(text.replace("mode=mode", "mode=option"), encoding="utf-8")
    (run,) = api.scan(["."], cwd=tmp_path, jobs=1).runs
    assert ("ghost" in run.mode) == NAMING[test]
    assert "?" in run.mode


MAKING = PROGRAM.format(code="").replace("    Privacy", "    made = Privacy")
LENGTHS = {
    "len(made) == 4": True,
    "len(made) > 3": True,
    "len(made) != 4": True,
    "len(made) == 3": False,
    "len(made) >= 3": False,
    "len(made) > 4": False,
}


@pytest.mark.parametrize("test", LENGTHS)
def test_a_program_that_asks_for_a_fourth_object_names_ghost_clipping(tmp_path: Path, test: str) -> None:
    text = f"{MAKING.replace('mode=mode', 'mode=option')}\n    if {test}:\n        print(made[-1])\n"
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    (run,) = api.scan(["."], cwd=tmp_path, jobs=1).runs
    assert ("ghost" in run.mode) == LENGTHS[test]


@pytest.mark.parametrize(
    ("mode", "test", "taken"),
    [
        ("ghost", "len(made) == 4", 4),
        ("ghost", "len(made) != 3", 4),
        ("ghost", "len(made) == 3", 3),
        ("hooks", "len(made) == 4", 3),
        ("hooks", "len(made) < 4", 4),
        ("hooks", "len(made) == 2 + 2", 3),
        ("ghost", "isinstance(made, tuple)", 4),
        ("ghost", "not isinstance(made, list)", 4),
        ("hooks", "isinstance(made, list)", 3),
        ("hooks", "not isinstance(made, (list, tuple))", 3),
    ],
)
def test_what_is_made_has_as_many_parts_as_its_mode_says(
    tmp_path: Path, mode: str, test: str, taken: int
) -> None:
    text = MAKING.replace("mode=mode", f"mode={mode!r}")
    text += f"\n    if {test}:\n        a, b, c, d = made\n    else:\n        a, b, c = made\n"
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    (run,) = api.scan(["."], cwd=tmp_path, jobs=1).runs
    assert run.unpack == (taken,)
