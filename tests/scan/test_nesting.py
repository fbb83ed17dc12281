"""The order of a tree's nodes, against walks over the tree."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import pytest

from dpmigrate.analysis.source.tree import Nesting, children, every
from tests.opacus_releases import CHECKOUT

KINDS = (cst.Name, cst.Call, cst.FunctionDef, cst.BaseExpression, cst.BaseSmallStatement, cst.CSTNode)
APART = (cst.FunctionDef, cst.Lambda, cst.ClassDef)
TEXTS = [
    (CHECKOUT / "fixtures" / "single-script" / "before" / "train.py").read_text(encoding="utf-8"),
    "class A(B):\n    x = lambda self, y=(lambda: z)(): y\n\n"
    "    @wrap(lambda f: f)\n    def m(self, a: T = c) -> R:\n"
    "        class Inner:\n            n = a\n\n        return [q for q in Inner.n if (w := q)]\n",
]


def own(scope: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes of a scope, a walk that stops at what is apart."""
    for child in children(scope):
        yield child
        if not isinstance(child, APART):
            yield from own(child)


@pytest.mark.parametrize("text", TEXTS)
def test_every_node_has_below_it_what_a_walk_finds(text: str) -> None:
    tree = cst.parse_module(text)
    nesting = Nesting(tree)
    assert nesting.nodes == list(every(tree))
    for root in every(tree):
        assert root in nesting
        assert nesting.below(root) == list(every(root))
        for kind in KINDS:
            assert nesting.inside(root, kind) == [n for n in every(root) if isinstance(n, kind)]
            assert nesting.own(root, kind) == [n for n in own(root) if isinstance(n, kind)]
        for child in children(root):
            assert nesting.parent(child) is root
            assert list(nesting.above(child)) == [root, *nesting.above(root)]


def test_a_node_of_another_tree_is_not_in_it() -> None:
    nesting = Nesting(cst.parse_module("x\n"))
    assert cst.parse_module("x\n") not in nesting
    assert nesting.parent(nesting.nodes[0]) is None
