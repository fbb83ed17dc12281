"""The sizes of logical and physical batches in a program of Opacus 0.x, as it writes them."""

from __future__ import annotations

import libcst as cst

from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.randomness.generators import visible
from dpmigrate.codemods.zero_x.engine import AttachedEngine
from dpmigrate.codemods.zero_x.loader import argument_of, values_of

_MAX_DEPTH = 4
_SAMPLER = "UniformWithReplacementSampler"


class Sizes:
    """One engine, the loop of its virtual steps, and its loader where that is seen to be made."""

    def __init__(
        self,
        facts: Facts,
        engine: AttachedEngine,
        loader: cst.CSTNode | None,
        loop: cst.For,
        test: cst.CSTNode,
    ) -> None:
        """``test`` says whether a step is virtual."""
        self.facts = facts
        self.engine = engine
        self.loader = loader if isinstance(loader, cst.Call) and facts.knows(loader) else None
        self.loop = loop
        self.test = test

    def enlarge(self, edits: ProjectEdits, optimizer: str) -> str:
        """Give the loader logical batches; the physical size, as the loop can write it. Raises `Withheld`."""
        sampler = self._sampler()
        physical = self._drawn(edits, sampler) if sampler is not None else self._written(edits)
        if physical and visible(self.facts, self.loop, physical):
            return physical
        count = self._count()
        if count and visible(self.facts, self.loop, count):
            return f"{optimizer}.expected_batch_size // {count}"
        raise Withheld(
            f"{physical or 'the size of the physical batches'} is not known here, where the "
            "BatchMemoryManager has to be made: hand it on",
            self.facts.module_of(self.loop),
            self.loop,
        )

    def _written(self, edits: ProjectEdits) -> str:
        """The size in the loader's call, which becomes the logical one there or where it is made private."""
        facts, logical = self.facts, self._logical()
        given = argument_of(self.loader, 1, "batch_size") if self.loader is not None else None
        physical = facts.code(given).strip() if given is not None else ""
        if physical == logical:
            raise self._told_the_physical_one(physical)
        chosen = self._where_private(logical, physical) if self.loader is not None else ""
        if given is not None and self.loader is not None and chosen and visible(facts, self.loader, logical):
            edits.of(facts.module_of(given)).replace(given, chosen)
        else:
            self.engine.logical_size = logical
        return physical or self._base(self.engine.given.get("sample_rate"), _MAX_DEPTH)

    def _drawn(self, edits: ProjectEdits, sampler: cst.Call) -> str:
        """The same for a loader whose batches a sampler of Opacus draws, by its rate."""
        facts = self.facts
        rate, given = argument_of(sampler, 1, "sample_rate"), self.engine.given.get("sample_rate")
        whole = facts.code(given).strip() if given is not None else ""
        if rate is not None and facts.code(rate).strip() == whole:
            raise self._told_the_physical_one(whole)
        chosen = self._where_private(whole, facts.code(rate).strip()) if rate is not None else ""
        if rate is not None and given is not None and chosen and visible(facts, sampler, whole):
            edits.of(facts.module_of(rate)).replace(rate, chosen)
        else:
            self.engine.logical_size = self._logical()
        return self._base(rate, _MAX_DEPTH) or self._base(given, _MAX_DEPTH)

    def _count(self) -> str:
        """How many physical batches make a logical one: ``k`` of a test on ``i % k``."""
        for node in self.facts.inside(self.test, cst.BinaryOperation):
            if isinstance(node.operator, cst.Modulo):
                return self.facts.code(node.right).strip()
        return ""

    def _told_the_physical_one(self, size: str) -> Withheld:
        return self.engine.withheld(
            f"this engine is told {size}, which is the physical batch, and steps on logical ones, so that "
            "its epsilon is too small already: give the loader the size of the logical batches, and let a "
            "BatchMemoryManager around it cut them"
        )

    def _sampler(self) -> cst.Call | None:
        """The call that makes the loader's sampler of whole batches, where it is one of Opacus."""
        node = argument_of(self.loader, 99, "batch_sampler") if self.loader is not None else None
        for value in values_of(self.facts, node) if node is not None else ():
            if isinstance(value, cst.Call) and self.facts.code(value.func).strip().endswith(_SAMPLER):
                return value
        return None

    def _where_private(self, logical: str, physical: str) -> str:
        """The logical size, or a choice by what switches privacy off; empty where that is not known there."""
        assert self.loader is not None
        tests = [n for n in self.engine.conditions if n not in self.facts.above(self.loader)]
        if not tests and not self.engine.may_be_off:
            return logical
        test = self.facts.code(tests[0].test).strip() if len(tests) == 1 else ""
        if not test or not self.engine.is_in_body_of(tests[0]) or not visible(self.facts, self.loader, test):
            return ""
        return f"{logical} if {test} else {physical}"

    def _logical(self) -> str:
        """The size of a logical batch, as the engine was told it. Raises `Withheld`."""
        size, rate = self.engine.given.get("batch_size"), self.engine.given.get("sample_rate")
        if size is not None:
            return self.facts.code(size).strip()
        numerator = self._numerator(rate, _MAX_DEPTH) if rate is not None else ""
        if numerator:
            return numerator
        raise self.engine.withheld(
            "this engine is told neither batch_size nor sample_rate as a quotient, so that the size of a "
            "logical batch is not known: give the loader that size, and let a BatchMemoryManager around it "
            "cut the batches"
        )

    def _numerator(self, node: cst.BaseExpression, depth: int) -> str:
        """``batch * k`` of ``batch / records * k``, also where names hold the quotient; empty without one."""
        if depth == 0:
            return ""
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide):
            return self.facts.code(node.left).strip()
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                numerator = self._numerator(one, depth - 1)
                if numerator:
                    return f"{numerator} * {self.facts.code(other).strip()}"
        if isinstance(node, (cst.Name, cst.Attribute)):
            texts = {self._numerator(value, depth - 1) for value in values_of(self.facts, node)}
            return texts.pop() if len(texts) == 1 else ""
        return ""

    def _base(self, node: cst.BaseExpression | None, depth: int) -> str:
        """``batch`` of ``batch / records * k``; empty without a quotient."""
        if node is None or depth == 0:
            return ""
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide):
            return self.facts.code(node.left).strip()
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
            return self._base(node.left, depth - 1) or self._base(node.right, depth - 1)
        if isinstance(node, (cst.Name, cst.Attribute)):
            texts = {self._base(value, depth - 1) for value in values_of(self.facts, node)}
            return texts.pop() if len(texts) == 1 else ""
        return ""
