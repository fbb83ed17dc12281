"""A mode put together from pieces: the analysis lists what Python computes, and makes nothing huge."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpmigrate import api
from tests.costs import allowed
from tests.scan.programs import lay_out

OPTIONS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--fsdp", action="store_true")
parser.add_argument("--fast", action="store_true")
args = parser.parse_args()
fsdp, fast = args.fsdp, args.fast
"""
CALL = """
from opacus import PrivacyEngine
PrivacyEngine().make_private(module=None, optimizer=None, data_loader=None, grad_sample_mode={})
"""


def modes(folder: Path, expression: str, before: str = "") -> tuple[str, ...]:
    """The modes that a scan lists for a call with that expression as its mode."""
    lay_out(folder, train=OPTIONS + before + CALL.format(expression))
    (run,) = api.scan(["."], cwd=folder).runs
    return tuple(run.mode)


def computed(expression: str) -> tuple[str, ...]:
    """What Python makes of the expression under every choice of the options."""
    worlds = [{"fsdp": a, "fast": b} for a in (False, True) for b in (False, True)]
    return tuple(sorted({eval(expression, dict(world)) for world in worlds}))


EXPRESSIONS = [
    """f"ghost{'_fsdp' if fsdp else ''}" """,
    """f"{'ghost' if fast else 'hooks'!s}" """,
    """"ghost" + ("_fsdp" if fsdp else "")""",
    """("ghost" if fast else "hooks") + ("_fsdp" if fsdp and fast else "")""",
    """"%s%s" % ("ghost", "_fsdp" if fsdp else "")""",
    """"gho%s" % ("st" if fast else "sts")""",
    """"{}{tail}".format("ghost" if fast else "hooks", tail="")""",
    """"ghost" f"{'_fsdp' if fsdp else ''}" """,
    """"_".join(["ghost", "fsdp"]) if fsdp else "hooks" """,
    """"_".join(("ghost", "fsdp"))""",
    """"ghost_fsdp".split("_")[0]""",
    """"mode=ghost".partition("=")[2]""",
    """" Ghost ".strip().lower()""",
    """("GHOST" if fast else "Hooks").casefold()""",
    """"ghost" * fast or "hooks" """,
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_lists_what_python_computes(tmp_path: Path, expression: str) -> None:
    assert modes(tmp_path, expression) == computed(expression.strip())


PIECES = st.sampled_from(
    ["'ghost'", "'_fsdp'", "('gh' if fast else 'ho')", "('' if fsdp else '_')", "('a' if fast else 'b')"]
)


@given(st.lists(PIECES, min_size=1, max_size=3), st.sampled_from(["+", "f", "%", "join"]))
@settings(max_examples=25, deadline=None)
def test_no_way_of_putting_text_together_loses_one(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], how: str
) -> None:
    expression = {
        "+": " + ".join(pieces),
        "f": 'f"' + "".join("{" + piece + "}" for piece in pieces) + '"',
        "%": f"{'%s' * len(pieces)!r} % ({', '.join(pieces)},)",
        "join": f"''.join([{', '.join(pieces)}])",
    }[how]
    assert modes(tmp_path_factory.mktemp("strings"), expression) == computed(expression)


@pytest.mark.parametrize(
    ("expression", "before"),
    [
        ("f'{name:>8}'", "name = 'ghost'\n"),
        ("f'{name!r}'", "name = 'ghost'\n"),
        ("''.join(parts)", "parts = ['gh', 'ost']\nfor p in input():\n    parts.append(p)\n"),
        ("'%s-%s' % parts", "parts = input()\n"),
        ("'ghost' % 3", ""),
        ("'{0}'.format()", ""),
        ("text", "text = 'g'\nfor i in range(3):\n    text = text + 'h'\n"),
    ],
)
def test_what_it_does_not_compute_is_unknown(tmp_path: Path, expression: str, before: str) -> None:
    assert "?" in modes(tmp_path, expression, before)


@pytest.mark.parametrize(
    "expression",
    [
        "'%4000000000d' % 1",
        "'%*d' % (4000000000, 1)",
        "'{:>4000000000}'.format(1)",
        "'{:>{w}}'.format(1, w=4000000000)",
        "'ghost' * 4000000000",
    ],
)
def test_a_short_program_that_makes_a_huge_text_costs_nothing(tmp_path: Path, expression: str) -> None:
    started = time.process_time()
    assert modes(tmp_path, expression) == ("?",)
    assert time.process_time() - started < allowed(5)
