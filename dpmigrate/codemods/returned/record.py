"""An object with a field for each thing that a function returns, which grows by one.

A named tuple or dataclass of the project, ``namedtuple("Setup", "model optimizer")``,
``SimpleNamespace(...)`` or ``dict(...)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.ledger import ALWAYS, Thing, What
from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_argument, add_element, name_of
from dpmigrate.codemods.program.assignments import Home, target_text
from dpmigrate.codemods.program.facts import Facts, making_node
from dpmigrate.codemods.program.places import put_on_a_line
from dpmigrate.codemods.returned.annotations import wrapped_type

Call = tuple[cst.CSTNode, ModuleInfo]
_OPEN = {"builtins.dict": '{}["{}"]', "types.SimpleNamespace": "{}.{}", "argparse.Namespace": "{}.{}"}
"""What takes any keyword, and how one is read."""


@dataclass(frozen=True)
class Record:
    """What is returned: the one call that makes it, and how its kind gets another field."""

    facts: Facts
    made: cst.Call
    kind: str
    """What people call it."""
    declare: Callable[[str], ProjectEdits]
    """Gives its kind one field more, of that name."""
    place: int
    """Which of its fields the new one is, and below how many it had."""
    size: int
    reading: str = "{}.{}"

    @classmethod
    def returned(cls, facts: Facts, call: cst.Call) -> Record | None:
        """The record that a call makes; None for anything else, and where other calls make it too."""
        if not call.args or any(a.star for a in call.args):
            return None
        given = len(call.args)
        what = _what(facts, call)
        if isinstance(what, Named) and what.name in _OPEN:
            by_keyword = all(a.keyword is not None for a in call.args)
            short = what.name.rpartition(".")[2]
            return cls(facts, call, short, _nothing, given, given, _OPEN[what.name]) if by_keyword else None
        if isinstance(what, Thing) and what.kind == "record-type":
            return cls._by_call(facts, call, what, given, given)
        definition = facts.record_made_only_by(call)
        if definition is None:
            return None
        needed = len([line for line in _fields(definition) if not _has_default(line)])
        by_position = len([a for a in call.args if a.keyword is None])
        # What has a default comes after what has none: by position, nothing may stand there already.
        return cls._by_class(facts, call, definition, needed) if by_position <= needed <= given else None

    @classmethod
    def filled(cls, facts: Facts, call: cst.Call) -> Record | None:
        """The record of three fields that ``State(*engine.make_private(...))`` makes, and no other call."""
        if [a.star for a in call.args] != ["*"]:
            return None
        what = _what(facts, call)
        if isinstance(what, Thing) and what.kind == "record-type":
            return cls._by_call(facts, call, what, 3, 2)
        definition = facts.record_made_only_by(call)
        if definition is None or any(_has_default(line) for line in _fields(definition)):
            return None
        made = cls._by_class(facts, call, definition, 2)
        return made if made is not None and made.size == 3 else None

    @classmethod
    def _by_class(cls, facts: Facts, call: cst.Call, definition: cst.ClassDef, place: int) -> Record | None:
        fields = _fields(definition)
        if not 0 < place <= len(fields):
            return None

        def declare(name: str) -> ProjectEdits:
            home = facts.module_of(definition)
            said, edits = wrapped_type(home)
            edits.of(home).insert_after(fields[place - 1], f"{name}: {said}")
            return edits

        return cls(facts, call, definition.name.value, declare, place, len(fields))

    @classmethod
    def _by_call(cls, facts: Facts, call: cst.Call, what: Thing, size: int, place: int) -> Record | None:
        """``namedtuple("Setup", "model optimizer")``, whose fields are a string, or a list of them."""
        made = making_node(what)
        if not isinstance(made, cst.Call) or not facts.knows(made) or len(made.args) != 2:
            return None
        fields = made.args[1].value
        if list(facts.calls_of(what, ALWAYS)) != [call] or _count(fields) != size:
            return None

        def declare(name: str) -> ProjectEdits:
            edits = ProjectEdits()
            edits.of(facts.module_of(fields)).change(fields, lambda new: _with_field(new, place, name))
            return edits

        return cls(facts, call, name_of(call.func), declare, place, size)

    def grow(self, name: str, calls: Sequence[Call], so_far: ProjectEdits) -> ProjectEdits:
        """One field more, given where the record is made, and read as `read` does. Raises `Withheld`."""
        edits = self.declare(name)
        module = self.facts.module_of(self.made)
        if self.made.args[-1].keyword is not None:
            edits.of(module).change(self.made, lambda new: add_argument(new, name, name, ()))
        else:
            edits.of(module).change(self.made, lambda new: _with_last(new, name))
        edits.extend(self.read(name, calls, so_far))
        return edits

    def read(self, name: str, calls: Sequence[Call], so_far: ProjectEdits) -> ProjectEdits:
        """The new field in a variable of every caller. Raises `Withheld`.

        ``so_far``: what changes already.
        """
        facts, edits = self.facts, ProjectEdits()
        for call, where in calls:
            assign = facts.parent(call)
            target = assign.targets[0].target if isinstance(assign, cst.Assign) else None
            if isinstance(target, (cst.Tuple, cst.List)) and len(target.elements) == self.size:
                edits.of(where).change(target, lambda new: add_element(new, self.place, name))
                continue
            text = target_text(facts, assign) if isinstance(assign, Home) else ""
            line = put_on_a_line(facts, call, so_far) if not text else None
            if line is not None:
                edits.extend(line.edits)
                edits.of(where).insert_before(
                    facts.statement(call), f"{name} = {self.reading.format(line.name, name)}"
                )
                continue
            if not text:
                raise Withheld(
                    f"{name}, the wrapped criterion, comes back in this {self.kind}: keep that in a "
                    f"variable, and make the losses by {self.reading.format('it', name)}",
                    where,
                    call,
                )
            edits.of(where).insert_after(facts.statement(call), f"{name} = {self.reading.format(text, name)}")
        return edits


def _what(facts: Facts, call: cst.Call) -> What | None:
    """What a call calls, where that is one thing."""
    made = facts.called(call)
    return made[0] if len(made) == 1 else None


def _nothing(name: str) -> ProjectEdits:
    """What takes any keyword declares none."""
    return ProjectEdits()


def _fields(definition: cst.ClassDef) -> list[cst.SimpleStatementLine]:
    """The lines of a record's class that declare a field each."""
    lines = definition.body.body if isinstance(definition.body, cst.IndentedBlock) else ()
    return [
        line
        for line in lines
        if isinstance(line, cst.SimpleStatementLine)
        and len(line.body) == 1
        and isinstance(line.body[0], cst.AnnAssign)
    ]


def _has_default(field: cst.SimpleStatementLine) -> bool:
    line = field.body[0]
    return isinstance(line, cst.AnnAssign) and line.value is not None


def _count(fields: cst.BaseExpression) -> int:
    """How many fields a named tuple is made with; 0 where they are not written there."""
    if isinstance(fields, cst.SimpleString):
        return len(re.findall(r"\w+", str(fields.evaluated_value)))
    if isinstance(fields, (cst.List, cst.Tuple)):
        plain = all(isinstance(e.value, cst.SimpleString) for e in fields.elements)
        return len(fields.elements) if plain else 0
    return 0


def _with_field(new: cst.CSTNode, place: int, name: str) -> cst.CSTNode:
    if isinstance(new, cst.SimpleString):
        text, between = new.raw_value, ", " if "," in new.raw_value else " "
        end = [word.end() for word in re.finditer(r"\w+", text)][place - 1]
        grown = f"{text[:end]}{between}{name}{text[end:].rstrip()}"
        return new.with_changes(value=f"{new.prefix}{new.quote}{grown}{new.quote}")
    assert isinstance(new, (cst.List, cst.Tuple))
    first = new.elements[0].value
    assert isinstance(first, cst.SimpleString)
    return add_element(new, place, f"{first.quote}{name}{first.quote}")


def _with_last(new: cst.Call, value: str) -> cst.Call:
    """The call with one more positional argument at its end."""
    with_keyword = add_argument(new, "x", value, ())
    last = with_keyword.args[-1].with_changes(keyword=None, equal=cst.MaybeSentinel.DEFAULT)
    return with_keyword.with_changes(args=[*with_keyword.args[:-1], last])
