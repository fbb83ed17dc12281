"""A generator is seeded behind its making where a line of the same block, or of one around, does it."""

from __future__ import annotations

import libcst as cst
import pytest

from dpmigrate.advisories.facts.seeded_behind import seeded_behind
from dpmigrate.analysis.ledger import NOT_GIVEN, Circumstances, Generator, Origin
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.analysis.source.tree import every
from dpmigrate.workspace.source import Source

PROGRAM = """
def make(cuda, seed):
    if cuda:
        generator = torch.Generator(device="cpu")
    else:
        generator = torch.Generator()
    LINE
    return generator


def other(generator):
    generator.manual_seed(0)
"""


@pytest.mark.parametrize(
    ("line", "seeded"),
    [
        ("generator.manual_seed(seed)", True),
        ("generator.seed()", True),
        ("if seed: generator.manual_seed(seed)", False),
        ("another.manual_seed(seed)", False),
        ("print(generator.initial_seed())", False),
    ],
)
def test_which_lines_do(line: str, seeded: bool) -> None:
    text = PROGRAM.replace("LINE", line)
    tree = cst.parse_module(text)
    module = ModuleInfo("make.py", Source("make.py", text.encode(), text), tree)
    makers = [
        n
        for n in every(tree)
        if isinstance(n, cst.Call) and cst.Module([]).code_for_node(n).startswith("torch.G")
    ]
    assert len(makers) == 2
    for node in makers:
        generator = Generator(
            key=node,
            kind="generator",
            made=Circumstances(Origin(module, node)),
            states=frozenset(["seeded", "unseeded"]),
            seed=NOT_GIVEN,
            seed_names=(),
            seeded=None,
        )
        assert seeded_behind(generator) is seeded
