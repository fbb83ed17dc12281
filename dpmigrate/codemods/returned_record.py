"""A named tuple or dataclass of the project that a function returns: it grows by a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.modules import ModuleInfo
from dpmigrate.codemods.annotations import wrapped_type
from dpmigrate.codemods.assignments import Home, target_text
from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.nodes import add_argument, add_element
from dpmigrate.codemods.program_facts import Facts

Call = tuple[cst.CSTNode, ModuleInfo]


@dataclass(frozen=True)
class Record:
    """The class, and the one call that makes an object of it."""

    facts: Facts
    made: cst.Call
    definition: cst.ClassDef
    fields: list[cst.SimpleStatementLine]

    @classmethod
    def returned(cls, facts: Facts, call: cst.Call) -> Record | None:
        """The record that a call makes; None for anything else, and where other calls make it too."""
        definition = facts.record_made_only_by(call)
        if definition is None or not isinstance(definition.body, cst.IndentedBlock):
            return None
        fields = [line for line in definition.body.body if _is_field(line)]
        plain = [f for f in fields if isinstance(f, cst.SimpleStatementLine)]
        spread = any(a.star for a in call.args)
        return (
            cls(facts, call, definition, plain) if 0 < len(plain) == len(call.args) and not spread else None
        )

    def grow(self, edits: ProjectEdits, name: str, calls: Sequence[Call]) -> None:
        """One field more, given where the record is made and read by every caller. Raises `Withheld`."""
        facts = self.facts
        home = facts.module_of(self.definition)
        kind = wrapped_type(edits, home)
        edits.of(home).insert_after(self.fields[-1], f"{name}: {kind}")
        module = facts.module_of(self.made)
        if self.made.args[-1].keyword is not None:
            edits.of(module).change(self.made, lambda new: add_argument(new, name, name, ()))
        else:
            edits.of(module).change(self.made, lambda new: _with_last(new, name))
        for call, where in calls:
            assign = facts.parent(call)
            target = assign.targets[0].target if isinstance(assign, cst.Assign) else None
            if isinstance(target, (cst.Tuple, cst.List)) and len(target.elements) == len(self.fields):
                edits.of(where).change(target, lambda new: add_element(new, len(self.fields), name))
                continue
            text = target_text(facts, assign) if isinstance(assign, Home) else ""
            if not text:
                raise Withheld(
                    f"{name}, the wrapped criterion, comes back in this {self.definition.name.value}: keep "
                    "that in a variable, and make the losses by what it holds",
                    where,
                    call,
                )
            edits.of(where).insert_after(facts.statement(call), f"{name} = {text}.{name}")


def _is_field(line: cst.BaseStatement | cst.BaseSmallStatement) -> bool:
    return (
        isinstance(line, cst.SimpleStatementLine)
        and len(line.body) == 1
        and isinstance(line.body[0], cst.AnnAssign)
        and line.body[0].value is None
    )


def _with_last(new: cst.Call, value: str) -> cst.Call:
    """The call with one more positional argument at its end."""
    with_keyword = add_argument(new, "x", value, ())
    last = with_keyword.args[-1].with_changes(keyword=None, equal=cst.MaybeSentinel.DEFAULT)
    return with_keyword.with_changes(args=[*with_keyword.args[:-1], last])
