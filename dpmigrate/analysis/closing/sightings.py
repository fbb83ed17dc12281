"""What each expression was seen to be, in the words of the ledger."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import libcst as cst

from dpmigrate.analysis.closing.per_example import honours_reduction, reduction_default
from dpmigrate.analysis.closing.records import Closing
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Module, Obj, Unknown
from dpmigrate.analysis.domain.values import Class, Function
from dpmigrate.analysis.language.classes import linear
from dpmigrate.analysis.ledger import ALWAYS, Constant, Guard, Open, What, contradict
from dpmigrate.analysis.ledger.expressions import Defined, Expressions, Instance
from dpmigrate.analysis.registry import canonical


class Sightings(Expressions):
    """Answers from what one interpreter kept; each thing is described once."""

    def __init__(self, ip: Interpreter) -> None:
        self.ip = ip
        self._closing = Closing(ip)
        self._described: dict[Atom, What] = {}

    def held(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> list[What]:
        """What an expression was seen to be."""
        return self._describe(self._atoms(node, guard))

    def reached(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> bool:
        """Whether an expression was evaluated at all, to something that is no constant."""
        return any(not contradict(g, guard) for _, g in self.ip.observations.of(node))

    def called(self, call: cst.Call, guard: Guard = ALWAYS) -> list[What]:
        """What the thing that is called was seen to be."""
        func = call.func
        if isinstance(func, cst.Attribute):
            receivers = self._atoms(func.value, guard)
            described = dict.fromkeys(m for r in receivers for m in self._member(r, func.attr.value))
            described = described or dict.fromkeys(self._atoms(func, guard))  # of a property
        else:
            described = dict.fromkeys(self._atoms(func, guard))
        return self._describe(described or self.ip.callees.get(call) or ())

    def members(self, node: cst.CSTNode, name: str) -> list[What]:
        """What a member of an object or class was seen to be."""
        owners = [a for a in self._atoms(node, ALWAYS) if isinstance(a, (Class, Obj))]
        return self._describe(member for owner in owners for member in self._member(owner, name))

    def entered(self, call: cst.CSTNode) -> list[Defined]:
        """The project's functions that a call enters."""
        return [self._closing.defined(fn) for fn in self.ip.callees.get(call, ())]

    @property
    def calls(self) -> Iterable[cst.CSTNode]:
        """All that enters a function of the project."""
        return self.ip.callees

    def honours_reduction(self, criterion: Instance) -> bool:
        """Whether an object certainly gives one loss per example once its ``reduction`` is "none"."""
        return isinstance(criterion.key, Obj) and honours_reduction(self.ip, criterion.key) is True

    def reduction_default(self, criterion: Defined) -> str | None:
        """The default of ``reduction`` where an object of a class is made; None where it takes none."""
        return reduction_default(self.ip, criterion.key) if isinstance(criterion.key, Class) else None

    def _describe(self, atoms: Iterable[Atom]) -> list[What]:
        return [self._described.get(a) or self._described.setdefault(a, self._one(a)) for a in atoms]

    def _one(self, atom: Atom) -> What:
        if isinstance(atom, Const):
            return Constant(atom.value)
        if isinstance(atom, Unknown):
            return Open(atom.symbol, atom.reason)
        return self._closing.thing(atom)

    def _atoms(self, node: cst.CSTNode, guard: Guard) -> Iterable[Atom]:
        seen = self.ip.observations.of(node)
        return dict.fromkeys(a for a, g in seen if not contradict(g, guard))

    def _member(self, receiver: Atom, name: str) -> Iterable[Atom]:
        if isinstance(receiver, External):
            return [External(canonical(f"{receiver.name}.{name}"))]
        if isinstance(receiver, Unknown):
            return [Unknown(("member", receiver.symbol, name))]
        owner: Hashable
        if isinstance(receiver, Module):
            owner = ("module", receiver.info.key)
        elif isinstance(receiver, Class):
            owner = ("class", receiver.key)
        elif isinstance(receiver, Obj) and receiver.kind != "parser":
            # What the analysis keeps with a parser are options: they become attributes of its result.
            owner = receiver
        else:
            return []
        value = self.ip.store.get(owner, name)
        if value is None and isinstance(receiver, Obj) and isinstance(receiver.data, Class):
            return self._of_class(receiver.data, name)
        return value.atoms if value is not None else []

    def _of_class(self, cls: Class, name: str) -> Iterable[Atom]:
        """What an object has of its class, methods left out: those are known by where calls lead."""
        for current in linear(cls):
            value = self.ip.store.get(("class", current.key), name)
            if value is not None:
                return [atom for atom in value.atoms if not isinstance(atom, Function)]
        return []
