"""The sizes of logical and physical batches in a program of Opacus 0.x, as it writes them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cached_property
from math import prod
from typing import NamedTuple

import libcst as cst

from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.randomness.generators import visible
from dpmigrate.codemods.zero_x.engine import AttachedEngine
from dpmigrate.codemods.zero_x.loader import argument_of, values_of

_MAX_DEPTH = 4
_SAMPLER = "UniformWithReplacementSampler"
_ARITHMETIC: dict[type[cst.BaseBinaryOp], Callable[[float, float], float]] = {
    cst.Multiply: operator.mul,
    cst.Divide: operator.truediv,
    cst.FloorDivide: operator.floordiv,
    cst.Add: operator.add,
    cst.Subtract: operator.sub,
}


class _Rate(NamedTuple):
    """``batch / records * k * ...``: the size that is divided, and the factors in their order."""

    batch: cst.BaseExpression
    factors: tuple[cst.BaseExpression, ...] = ()

    @property
    def parts(self) -> tuple[cst.BaseExpression, ...]:
        """All whose product is the size of a logical batch."""
        return (self.batch, *self.factors)


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
        self._refuse_other_count()
        if physical and visible(self.facts, self.loop, physical):
            return physical
        count = self.facts.code(self._count).strip() if self._count is not None else ""
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
        return physical or self._physical_of(self.engine.given.get("sample_rate"))

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
        return self._physical_of(rate) or self._physical_of(given)

    @cached_property
    def _count(self) -> cst.BaseExpression | None:
        """How many physical batches make a logical one: ``k`` of a test on ``i % k``."""
        for node in self.facts.inside(self.test, cst.BinaryOperation):
            if isinstance(node.operator, cst.Modulo):
                return node.right
        return None

    def _refuse_other_count(self) -> None:
        """The loop has to step on the batches that the engine was told. Raises `Withheld`."""
        size, rate = self.engine.given.get("batch_size"), self._rate(self.engine.given.get("sample_rate"))
        drawn = argument_of(self.loader, 1, "batch_size") if self.loader is not None else None
        parts = (size,) if size is not None else rate.parts if rate is not None else ()
        numbers = [self._number(part) for part in parts]
        told = prod(n for n in numbers if n is not None) if None not in numbers else None
        # ``k * batch / records`` is one quotient, whose upper part is the logical batch already.
        physical = self._number(drawn) or self._number(
            rate.batch if rate is not None and rate.factors else None
        )
        count = self._number(self._count)
        if parts and told and physical and count and told != physical * count:
            raise Withheld(
                f"a step is taken here once in {count:g} batches of {physical:g}, and the engine is told "
                f"batches of {told:g}, so that its epsilon is that of another training already: let both "
                "say the same first",
                self.facts.module_of(self.test),
                self.test,
            )

    def _number(self, node: cst.BaseExpression | None, depth: int = _MAX_DEPTH) -> float | None:
        """What an expression comes to, where numbers alone are behind it."""
        if node is None or depth == 0:
            return None
        if isinstance(node, (cst.Integer, cst.Float)):
            return float(node.evaluated_value)
        if isinstance(node, (cst.Name, cst.Attribute)):
            numbers = {self._number(value, depth - 1) for value in values_of(self.facts, node)}
            return numbers.pop() if len(numbers) == 1 else None
        if isinstance(node, cst.Call) and name_of(node.func) == "int" and len(node.args) == 1:
            whole = self._number(node.args[0].value, depth)
            return float(int(whole)) if whole is not None else None
        if not isinstance(node, cst.BinaryOperation):
            return None
        left, right = self._number(node.left, depth), self._number(node.right, depth)
        compute = _ARITHMETIC.get(type(node.operator))
        return compute(left, right) if compute and left is not None and right else None

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
        if texts := self._texts(self._rate(rate)):
            return " * ".join(texts)
        raise self.engine.withheld(
            "this engine is told neither batch_size nor sample_rate as a quotient, so that the size of a "
            "logical batch is not known: give the loader that size, and let a BatchMemoryManager around it "
            "cut the batches"
        )

    def _rate(self, node: cst.BaseExpression | None, depth: int = _MAX_DEPTH) -> _Rate | None:
        """A rate ``batch / records * k``, also where names hold the quotient."""
        if node is None or depth == 0:
            return None
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide):
            return _Rate(node.left)
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                rate = self._rate(one, depth - 1)
                if rate is not None:
                    return _Rate(rate.batch, (*rate.factors, other))
        if isinstance(node, (cst.Name, cst.Attribute)):
            rates = [self._rate(value, depth - 1) for value in values_of(self.facts, node)]
            return rates[0] if len({tuple(self._texts(rate)) for rate in rates}) == 1 else None
        return None

    def _texts(self, rate: _Rate | None) -> list[str]:
        """The batch and its factors as they are written; nothing where there is no rate."""
        return [self.facts.code(part).strip() for part in rate.parts] if rate is not None else []

    def _physical_of(self, rate: cst.BaseExpression | None) -> str:
        """``batch`` of ``batch / records * k``; empty without a quotient."""
        return next(iter(self._texts(self._rate(rate))), "")
