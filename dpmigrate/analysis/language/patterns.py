"""``match``: which cases a subject may come to, and the names that their patterns bind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter, statement
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.values import NOTHING, Class, Seq, Value, const, join_all, of
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal, Test
from dpmigrate.analysis.language import narrowing, outcomes
from dpmigrate.analysis.language.assignment import assign_name, iterate, unpack
from dpmigrate.analysis.language.attributes import get_attribute
from dpmigrate.analysis.language.classes import record_fields


@statement(cst.Match)
def _match(ip: Interpreter, node: cst.Match) -> bool:
    rest = ip.evaluate(node.subject)
    branches: list[tuple[Guard, Callable[[], bool]]] = []
    before: Guard = ALWAYS  # that no case above matched by what is no test of one value
    complete = False
    for case in node.cases:
        if branches and not rest:
            break  # What it can be was matched by the cases before.
        tests = _tests_of(ip, case.pattern)
        matched = NOTHING if tests is not None else rest
        for test, decide in tests or ():
            hit, rest = outcomes.split_by_test(rest, test, decide)
            matched = join_all([matched, hit])
        if not matched:
            continue
        guard = (outcomes.common_guard(matched) - ip.path) | before
        complete = case.guard is None and _matches_anything(case.pattern)
        if case.guard is not None or (tests is None and not complete):
            this_one = Literal(("case", id(case), ip.context), ("truth",), True)
            guard |= {this_one}
            before |= {this_one._replace(holds=False)}
            rest = join_all([rest, matched])
        branches.append((guard, partial(_taken, ip, node, case, matched)))
        if complete:
            break
    if not complete and rest:
        branches.append(((outcomes.common_guard(rest) - ip.path) | before, lambda: True))
    return ip.alternatives(branches) if branches else True


def _taken(ip: Interpreter, node: cst.Match, case: cst.MatchCase, matched: Value) -> bool:
    if isinstance(node.subject, cst.Name):
        assign_name(ip, node.subject.value, matched)
    _bind(ip, case.pattern, matched)
    if case.guard is not None and not narrowing.enter(ip, narrowing.narrow(ip, case.guard).true):
        return False
    return ip.execute(case.body)


def _matches_anything(pattern: cst.MatchPattern) -> bool:
    """Whether it is ``_`` or a name alone."""
    return isinstance(pattern, cst.MatchAs) and (
        pattern.pattern is None or _matches_anything(pattern.pattern)
    )


Decision = tuple[Test, Callable[[Atom], bool | None]]


def _tests_of(ip: Interpreter, pattern: cst.MatchPattern) -> list[Decision] | None:
    """The constants that a pattern names, each as a test of the subject; None where it has others."""
    if isinstance(pattern, cst.MatchAs) and pattern.pattern is not None:
        return _tests_of(ip, pattern.pattern)
    if isinstance(pattern, cst.MatchValue):
        atom = ip.evaluate(pattern.value).only
        if isinstance(atom, Const):
            return [(("eq", atom.value), partial(narrowing.equals, atom.value))]
        if isinstance(atom, Obj) and atom.kind == "enum":
            return [(("eq", atom), partial(narrowing.is_same, atom))]
        return None
    if isinstance(pattern, cst.MatchSingleton):
        value = {"True": True, "False": False, "None": None}[pattern.value.value]
        return [(("eq", value), partial(narrowing.equals, value))]
    if isinstance(pattern, cst.MatchOr):
        each = [_tests_of(ip, part.pattern) for part in pattern.patterns]
        return None if None in each else [test for tests in each if tests for test in tests]
    return None


def _bind(ip: Interpreter, pattern: cst.MatchPattern, value: Value) -> None:
    """Give the names in a pattern the parts of the value that they stand for."""
    if isinstance(pattern, cst.MatchAs):
        if pattern.pattern is not None:
            _bind(ip, pattern.pattern, value)
        if pattern.name is not None:
            assign_name(ip, pattern.name.value, value)
    elif isinstance(pattern, cst.MatchOr):
        for alternative in pattern.patterns[:1]:  # all of them bind the same names
            _bind(ip, alternative.pattern, value)
    elif isinstance(pattern, cst.MatchSequence):
        _bind_sequence(ip, pattern, value)
    elif isinstance(pattern, cst.MatchMapping):
        for element in pattern.elements:
            key = registry.CallInfo(element, [ip.evaluate(element.key), const(None)])
            _bind(ip, element.pattern, _item(ip, value, key))
        if pattern.rest is not None:
            assign_name(ip, pattern.rest.value, ip.unknown(pattern, "the rest of a mapping"))
    elif isinstance(pattern, cst.MatchClass):
        cls = ip.evaluate(pattern.cls).only
        positional = record_fields(cls) if isinstance(cls, Class) else ()
        for name, part in zip(positional, pattern.patterns, strict=False):
            _bind(ip, part.value, get_attribute(ip, value, name, pattern))
        for keyword in pattern.kwds:
            _bind(ip, keyword.pattern, get_attribute(ip, value, keyword.key.value, pattern))


def _item(ip: Interpreter, value: Value, info: registry.CallInfo) -> Value:
    from dpmigrate.analysis.language.calls import call_attribute

    return call_attribute(ip, value, "get", info)


def _bind_sequence(ip: Interpreter, pattern: cst.MatchSequence, value: Value) -> None:
    parts = pattern.patterns
    stars = [place for place, part in enumerate(parts) if isinstance(part, cst.MatchStar)]
    values = unpack(ip, pattern, value, len(parts), stars[0] if stars else None)
    for part, held in zip(parts, values, strict=True):
        if isinstance(part, cst.MatchStar):
            if part.name is not None:
                of_any = held if isinstance(held.only, Seq) else of(Seq(None, iterate(ip, held, part), True))
                assign_name(ip, part.name.value, of_any)
        else:
            _bind(ip, part.value, held)
