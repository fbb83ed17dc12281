"""What a ``forward``, and the functions and methods that it calls, change in place of what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from types import MappingProxyType
from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis import registry
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Module, Obj
from dpmigrate.analysis.domain.values import Class, Function
from dpmigrate.analysis.language.classes import find_member
from dpmigrate.analysis.language.names import import_module, member_of_module, name_around
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.models import InPlaceBy
from dpmigrate.analysis.library.torch.in_place.arms import taken
from dpmigrate.analysis.library.torch.in_place.beneath import Beneath, Change, base_of
from dpmigrate.analysis.library.torch.in_place.layers import Layers, MeantLayers
from dpmigrate.analysis.library.torch.in_place.names import SAME_MEMORY, asked_in_place, changes_in_place
from dpmigrate.analysis.source.tree import children

Tensors = dict[str, str]
"""What variables and attributes hold, as they are written: see ``Layers``."""


class Given(NamedTuple):
    """The tensors that a function is called with."""

    positional: Sequence[str] = ()
    by_name: Mapping[str, str] = MappingProxyType({})

    def to(self, parameters: Sequence[str]) -> Tensors:
        """What each parameter holds."""
        return dict(zip(parameters, self.positional, strict=False)) | dict(self.by_name)


class Forward:
    """One reading of a ``forward``, or of a method or function that it calls."""

    def __init__(
        self,
        reading: Layers,
        method: Function,
        model: Obj | None,
        layers: dict[str, Atom],
        depth: int,
    ) -> None:
        self.reading = reading
        self.method = method
        self.model = model
        """Whose method it is; None for a function."""
        self.layers = layers
        self.depth = depth
        self.tensors: Tensors = {}
        self.functions: dict[str, cst.FunctionDef | cst.Lambda] = {}
        self.imports: dict[str, Atom | None] = {}
        self.returned: str | None = None
        parameters = [parameter.name.value for parameter in method.node.params.params]
        bound = model is not None and bool(parameters) and "staticmethod" not in method.decorators
        self.own_name = parameters.pop(0) if bound else ""
        """What the method calls its model; empty for a function."""
        self.parameters = parameters
        self.meant_layers = MeantLayers(reading, model, layers, self.own_name)
        self.beneath = Beneath()

    def run(self, given: Given, attributes: Tensors) -> str:
        """Read it with some tensors given; what it gives. Brings the model's ``attributes`` up to date."""
        node = self.method.node
        mine = f"{self.own_name}."
        self.tensors = {mine + name: tensor for name, tensor in attributes.items()}
        self.tensors.update(given.to(self.parameters))
        if isinstance(node, cst.Lambda):
            return self._of(node.body)
        self._block(node.body)
        if self.model is not None:
            attributes.update(
                (name.removeprefix(mine), t) for name, t in self.tensors.items() if name.startswith(mine)
            )
        return self.returned or ""

    # -- statements -----------------------------------------------------------------------

    def _block(self, node: cst.CSTNode) -> None:
        for child in children(node):
            self._statement(child)

    def _statement(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.Assign):
            self._assign([target.target for target in node.targets], node.value)
        elif isinstance(node, cst.AnnAssign):
            if node.value is not None:
                self._assign([node.target], node.value)
        elif isinstance(node, cst.AugAssign):
            self._of(node.value)
            name = base_of(node.target)
            if not self._changed_beneath(node.target, node):
                self._note(node, f"{name} is changed in place", self.tensors.get(name, ""), "operator")
        elif isinstance(node, cst.Return):
            value = self._of(node.value) if node.value is not None else ""
            self.returned = value if self.returned is None else _joined(self.returned, value)
        elif isinstance(node, cst.Expr):
            self._of(node.value)
        elif isinstance(node, cst.If):
            self._either(node)
        elif isinstance(node, cst.For):
            self._loop(node)
        elif isinstance(node, cst.FunctionDef):
            self.functions[node.name.value] = node
        elif isinstance(node, (cst.Import, cst.ImportFrom)):
            self._import(node)
        elif not isinstance(node, (cst.ClassDef, cst.BaseExpression)):
            self._block(node)

    def _import(self, node: cst.Import | cst.ImportFrom) -> None:
        ip, module = self.reading.ip, self.method.module
        if isinstance(node.names, cst.ImportStar):
            return
        source = "" if isinstance(node, cst.Import) else get_full_name_for_node(node.module or "")
        level = len(node.relative) if isinstance(node, cst.ImportFrom) else 0
        for alias in node.names:
            dotted = alias.evaluated_name
            name = alias.evaluated_alias or (dotted if source or level else dotted.partition(".")[0])
            if isinstance(node, cst.Import) and alias.asname is None:
                dotted = name
            whole = f"{source}.{dotted}" if source else dotted
            self.imports[name] = import_module(ip, whole, module, level).only

    def _assign(self, targets: Iterable[cst.BaseExpression], value: cst.BaseExpression) -> None:
        for target in targets:
            if isinstance(target, (cst.Tuple, cst.List)) and isinstance(value, (cst.Tuple, cst.List)):
                pairs = zip(target.elements, value.elements, strict=False)
                held = [(one.value, self._of(other.value)) for one, other in pairs]
                for part, tensor in held:
                    self._bind(part, tensor)
            else:
                layers, each_known = self.meant_layers.of(value)
                self._bind(target, "" if layers and each_known else self._of(value))
                self.beneath.bind(base_of(target), value)
                if layers and isinstance(target, cst.Name):
                    self.meant_layers.turns[target.value] = layers
                if isinstance(value, cst.Lambda) and isinstance(target, cst.Name):
                    self.functions[target.value] = value

    def _bind(self, target: cst.BaseExpression, value: str) -> None:
        if isinstance(target, cst.Subscript):
            name = base_of(target)
            text = f"a part of {name} is changed in place"
            if not self._changed_beneath(target.value, target):
                self._note(target, text, self.tensors.get(name, ""), "operator")
        elif isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._bind(element.value, value)
        else:
            name = base_of(target)
            self.tensors[name] = value
            self.beneath.rebound(name)
            self.meant_layers.turns.pop(name, None)

    def _either(self, node: cst.If) -> None:
        """What a tensor may be after either branch, it may be after both; one for inference is left out."""
        self._of(node.test)
        first = taken(node.test, self.method.node, self.own_name)
        if first is not None:
            arm = node if first else node.orelse
            with self._perhaps():
                if isinstance(arm, cst.If) and not first:
                    self._either(arm)
                elif arm is not None:
                    self._block(arm.body)
            return
        before = dict(self.tensors)
        with self._perhaps():
            self._block(node.body)
            one = self.tensors
            self.tensors = before
            if isinstance(node.orelse, cst.If):
                self._either(node.orelse)
            elif node.orelse is not None:
                self._block(node.orelse.body)
        other = self.tensors
        self.tensors = {
            n: _joined(one.get(n, other.get(n)), other.get(n, one.get(n))) for n in {**one, **other}
        }

    @contextmanager
    def _perhaps(self, condition: bool = True) -> Iterator[None]:
        """What is read is not always come to."""
        self.reading.conditions += condition
        yield
        self.reading.conditions -= condition

    def _loop(self, node: cst.For) -> None:
        """Each turn of a loop, over layers above all, goes on with what the one before has made."""
        each_known = self.meant_layers.take_turns(node.target, node.iter)
        with self._perhaps(not each_known):
            for _ in range(2):
                self._block(node.body)

    def _some(self, layers: Iterable[Atom], given: str) -> str:
        """What one of some layers gives."""
        results = [self.reading.layer(layer, given, self.depth + 1) for layer in layers]
        return reduce(_joined, results) if results else ""

    # -- expressions ----------------------------------------------------------------------

    def _note(self, node: cst.CSTNode, text: str, given: str, by: InPlaceBy) -> None:
        if given:
            self.reading.note(Origin(self.method.module, node, text), given, by)

    def _of(self, node: cst.BaseExpression) -> str:
        if isinstance(node, (cst.Name, cst.Attribute)):
            tensor = self.tensors.get(base_of(node), "")
            for change in self.beneath.come_to(base_of(node)):
                given = tensor if change.sure else tensor and "perhaps"
                self._note(change.node, change.text, given, "operator")
            return tensor
        if isinstance(node, cst.Subscript):
            return self._of(node.value)
        if isinstance(node, cst.NamedExpr):
            self._assign([node.target], node.value)
            return self._of(node.target)
        if isinstance(node, cst.Call):
            return self._call(node)
        if isinstance(node, cst.IfExp):
            self._of(node.test)
            return _joined(self._of(node.body), self._of(node.orelse))
        if isinstance(node, cst.Lambda):
            return ""
        for child in children(node):
            for part in (child, *children(child)) if isinstance(child, cst.BaseElement) else (child,):
                if isinstance(part, cst.BaseExpression):
                    self._of(part)
        return ""

    def _call(self, node: cst.Call) -> str:
        func = node.func
        values = [(arg.keyword.value if arg.keyword else "", self._of(arg.value)) for arg in node.args]
        given = Given([t for name, t in values if not name], {name: t for name, t in values if name})
        first = values[0][1] if values else ""
        for arg in node.args:
            self._handed_on(arg.value)
        layers = [x for x in self.meant_layers.of(func)[0] if not isinstance(x, (External, Function))]
        if layers:
            return self._some(layers, first)
        if isinstance(func, cst.Name) and func.value in self.functions:
            return self._inner(self.functions[func.value], given)
        meant = self._meant(func)
        if isinstance(meant, External):
            return self._function(node, meant.name.rpartition(".")[2], first)
        if isinstance(meant, Function):
            return self._enter(meant, None, given)
        if not isinstance(func, cst.Attribute):
            return ""
        name = func.attr.value
        if isinstance(func.value, cst.Name) and func.value.value == self.own_name and self.model is not None:
            return self._method(name, given)
        if name == "detach" or (changes_in_place(name) and self._changed_beneath(func.value, node)):
            return ""
        receiver = self._of(func.value)
        if changes_in_place(name):
            self._note(node, f"{name} changes in place", receiver, "method")
        return receiver if name in SAME_MEMORY or changes_in_place(name) else ""

    def _changed_beneath(self, tensor: cst.BaseExpression, node: cst.CSTNode) -> bool:
        """Whether what is changed in place is ``h.detach()``, which is told of where ``h`` is used again."""
        text = "what was detached is changed in place, and used again,"
        return self.beneath.change(tensor, Change(node, text, not self.reading.conditions))

    def _handed_on(self, node: cst.BaseExpression) -> None:
        """A function within this one, given to another one, which may call it."""
        if isinstance(node, cst.Name) and node.value in self.functions:
            with self._perhaps():
                self._inner(self.functions[node.value], Given())

    def _inner(self, function: cst.FunctionDef | cst.Lambda, given: Given) -> str:
        """What a function that is defined in this one gives: it sees what this one holds."""
        if self.depth > MAX_DEPTH:
            return ""
        before, returned = dict(self.tensors), self.returned
        self.depth += 1
        self.tensors.update(given.to([p.name.value for p in function.params.params]))
        if isinstance(function, cst.Lambda):
            value = self._of(function.body)
        else:
            self.returned = None
            self._block(function.body)
            value = self.returned or ""
        self.depth -= 1
        self.tensors, self.returned = before, returned
        return value

    def _meant(self, node: cst.BaseExpression) -> Atom | None:
        """What a name, or a member of a module, means: a function of a library, or one of the project."""
        if isinstance(node, cst.Name):
            if node.value in self.tensors:
                return None
            if node.value in self.imports:
                return self.imports[node.value]
            return name_around(self.reading.ip, self.method, node.value, node).only
        if not isinstance(node, cst.Attribute):
            return None
        if isinstance(node.value, cst.Name) and node.value.value == self.own_name and self.own_name:
            return self.layers.get(node.attr.value)
        owner = self._meant(node.value)
        if isinstance(owner, External):
            return External(registry.canonical(f"{owner.name}.{node.attr.value}"))
        if isinstance(owner, Module):
            return member_of_module(self.reading.ip, owner.info, node.attr.value).only
        return None

    def _method(self, name: str, given: Given) -> str:
        """What a method of the same model gives; nothing where it has none that is known."""
        assert self.model is not None
        assert isinstance(self.model.data, Class)
        member = find_member(self.reading.ip, self.model.data, name)
        method = member.only if member is not None else None
        return self._enter(method, self.model, given) if isinstance(method, Function) else ""

    def _enter(self, function: Function, model: Obj | None, given: Given) -> str:
        if self.depth >= MAX_DEPTH:
            return ""
        mine = f"{self.own_name}."
        seen = {n.removeprefix(mine): t for n, t in self.tensors.items() if model and n.startswith(mine)}
        layers = self.layers if model is not None else {}
        result = Forward(self.reading, function, model, layers, self.depth + 1).run(given, seen)
        self.tensors.update((mine + name, tensor) for name, tensor in seen.items())
        return result

    def _function(self, node: cst.Call, name: str, first: str) -> str:
        asked = asked_in_place(node, name)
        if changes_in_place(name) or (asked is not None and self._is_true(asked)):
            if not node.args or not self._changed_beneath(node.args[0].value, node):
                self._note(node, f"{name} changes in place", first, "function")
            return first
        return first if name in SAME_MEMORY else ""

    def _is_true(self, node: cst.BaseExpression) -> bool:
        """Whether an argument is True: written so, or by way of a constant or an attribute of the model."""
        written = isinstance(node, cst.Name) and node.value == "True"
        return written or self._meant(node) == Const(True)


MAX_DEPTH = 6
"""How many layers, methods and functions deep a model is read."""


def _joined(one: str | None, other: str | None) -> str:
    """What a tensor is that is the one or the other."""
    return (one or "") if one == other else "perhaps"
