"""The end of an analysis: what the interpreter knows of runs and objects, written into the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.closing.per_example import honours_reduction, makes_one_loss_per_example
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.describing import amount_of
from dpmigrate.analysis.domain.atoms import Absent, Atom, Const, External, Obj, Tensor, Unknown
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import NOTHING, Class, Function, Partial, Seq, Value
from dpmigrate.analysis.guards import Guard, clash
from dpmigrate.analysis.language.classes import is_record, is_torch_module
from dpmigrate.analysis.ledger import (
    NOT_GIVEN,
    Circumstances,
    Constant,
    Criterion,
    Engine,
    Generator,
    GeneratorState,
    Given,
    Loader,
    Member,
    Missing,
    Model,
    Open,
    Optimizer,
    Option,
    Origin,
    PrivateRun,
    Several,
    Thing,
    What,
)
from dpmigrate.analysis.ledger.expressions import Computed, Defined, Instance, Named, OfRun, WithArguments
from dpmigrate.analysis.ledger.retired import Attached, RetiredCall
from dpmigrate.analysis.library.opacus.by_hand import PATCHED
from dpmigrate.analysis.library.rounds import MADE_ONCE
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.structure import IN_PART, MODELS
from dpmigrate.analysis.loss_functions import LOSS_FUNCTIONS
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.training import TrainingRun

MAX_NESTED = 3
"""Lists within lists that are still told item by item."""


class Closing:
    """Records of what one interpreter knows."""

    def __init__(self, ip: Interpreter) -> None:
        self.ip = ip

    def runs(self) -> list[PrivateRun]:
        """The private runs of the component, one for each context and mode."""
        registry.tell_hooks(self.ip, "<analysed>", CallInfo(cst.Pass()))
        return [self.run(run) for run in self.ip.runs.values()]

    def retired_calls(self) -> list[RetiredCall]:
        """The calls of the API of Opacus 0.x."""
        return [
            RetiredCall(
                met.kind,
                met.origin,
                met.since,
                met.error,
                met.sure,
                self.thing(met.engine) if met.engine is not None else None,
                tuple(Attached(self.thing(optimizer), where) for optimizer, where in met.optimizers.items()),
                tuple(met.in_place),
            )
            for met in self.ip.retired.calls.values()
        ]

    def run(self, run: TrainingRun) -> PrivateRun:
        """All that is known of a run."""
        criterion = run.arguments.get("criterion")
        arguments = {name: self.given(value) for name, value in run.arguments.items() if name != "criterion"}
        if criterion is not None:
            arguments["criterion"] = self.criterion(criterion)
        return PrivateRun(
            key=run,
            origin=run.origin,
            call=run.call,
            mode=run.mode,
            modes=run.modes,
            mode_because=run.mode_because,
            supposed=run.supposed,
            guessed=run.guessed,
            cut_short=run.cut_short,
            guard=run.guard,
            ways=run.ways,
            chain=run.chain,
            loops=run.loops,
            arguments=arguments,
            open_call=run.open_call,
            engine=self.engine(run.engine) if run.engine is not None else None,
            other_engines=tuple(self.engine(a) for a in run.other_engines if a != run.engine),
            models=tuple(self.model(a) for a in in_order(run.raw_models) if isinstance(a, Obj)),
            optimizers=tuple(self.optimizer(a) for a in in_order(run.raw_optimizers) if isinstance(a, Obj)),
            loaders=tuple(self.loader(a) for a in in_order(run.raw_loaders) if isinstance(a, Obj)),
            seeded=run.seeded,
            patched=bool(PATCHED.of(self.ip)),
            events=run.settled(),
            turned=tuple(self._turned(run.guard)),
            questions=self.ip.questions,
        )

    def _turned(self, guard: Guard) -> Iterator[Origin]:
        """The switches that an assumption has otherwise than the code has them."""
        for written, switch in self.ip.turnable.items():
            if any(clash(written, assumed) for assumed in guard):
                yield switch

    # -- arguments --------------------------------------------------------------------------

    def given(self, value: Value | None, depth: int = MAX_NESTED) -> Given:
        """What a value can be."""
        if not value:
            return NOT_GIVEN
        options = tuple(Option(self.what(e.atom, depth), e.guard, e.because) for e in value.entries)
        return Given(options, amount_of(value))

    def what(self, atom: Atom, depth: int) -> What:
        """One thing that a value can be."""
        if isinstance(atom, Const):
            return Constant(atom.value)
        if isinstance(atom, Absent):
            return Missing()
        if isinstance(atom, Unknown):
            return Open(atom.symbol, atom.reason, frozenset(self.ip.tested.get(atom.symbol, ())))
        if isinstance(atom, Seq) and atom.items is not None and depth:
            return Several(tuple(self.given(item, depth - 1) for item in atom.items))
        if isinstance(atom, Obj) and atom.kind == "enum":
            return Member(self.given(atom.data[2], depth - 1) if depth else NOT_GIVEN)
        if isinstance(atom, Obj) and atom.kind == "generator":
            return self.generator(atom)
        return self.thing(atom)

    def criterion(self, value: Value) -> Given:
        """What can be given as the criterion: constants, what is open, and criteria."""
        options = []
        for e in value.entries:
            plain = isinstance(e.atom, (Const, Absent, Unknown))
            what = self.what(e.atom, 0) if plain else self._criterion(e.atom)
            options.append(Option(what, e.guard, e.because))
        return Given(tuple(options))

    # -- objects ----------------------------------------------------------------------------

    def thing(self, atom: Atom) -> Thing:
        """Anything of which there is no more to say than what it is."""
        kind, name = kind_and_name(atom)
        if isinstance(atom, External):
            return Named(key=atom, kind=kind, name=name)
        if isinstance(atom, (Function, Class)):
            return self.defined(atom)
        if isinstance(atom, Partial):
            return WithArguments(key=atom, kind=kind, function=_called_with_keywords(atom))
        if isinstance(atom, Tensor):
            return Computed(
                key=atom,
                kind=kind,
                rescaled=atom.coefficient is not None,
                last=atom.steps[-1] if atom.steps else "",
                reduction=atom.reduction,
            )
        made = self._made(atom)
        if isinstance(atom, Obj) and isinstance(atom.data, Class):
            return Instance(key=atom, kind=kind, name=name, made=made, of=self.defined(atom.data))
        if isinstance(atom, Obj) and isinstance(atom.data, TrainingRun):
            return OfRun(key=atom, kind=kind, made=made, run=atom.data)
        return Thing(key=atom, kind=kind, name=name, made=made)

    def defined(self, atom: Function | Class) -> Defined:
        """A function or class of the project."""
        kind, name = kind_and_name(atom)
        record = isinstance(atom, Class) and is_record(atom)
        torch_module = isinstance(atom, Class) and is_torch_module(atom)
        return Defined(
            key=atom,
            kind=kind,
            name=name,
            module=atom.module,
            node=atom.node,
            record=record,
            torch_module=torch_module,
        )

    def _made(self, atom: Atom) -> Circumstances | None:
        if not isinstance(atom, Obj) or atom.module is None or atom.node is None:
            return None
        return self.ip.births.get(atom) or Circumstances(Origin(atom.module, atom.node))

    def _slot(self, atom: Atom, name: str) -> Given:
        return self.given(self.ip.store.get(atom, name))

    def _criterion(self, atom: Atom) -> Criterion:
        kind, name = kind_and_name(atom)
        return Criterion(
            key=atom,
            kind=kind,
            name=name,
            made=self._made(atom),
            honours_reduction=honours_reduction(self.ip, atom),
            per_example=makes_one_loss_per_example(self.ip, atom),
            function=not isinstance(atom, Obj),
        )

    def generator(self, atom: Obj) -> Generator:
        """A generator, and how it is seeded."""
        state = self.ip.store.get(atom, "<state>") or NOTHING
        words = {a.value if isinstance(a, Const) else "unknown" for a in state.atoms}
        because = state.entries[0].because if state.entries else ()
        return Generator(
            key=atom,
            kind=atom.kind,
            made=self._made(atom),
            states=cast(frozenset[GeneratorState], frozenset(words)),
            seed=self._slot(atom, "<seed>"),
            seed_names=self._words(atom, "<seed of>"),
            seeded=because[-1] if because else None,
        )

    def _words(self, atom: Atom, slot: str) -> tuple[str, ...]:
        held = self.ip.store.get(atom, slot)
        return (
            tuple(filter(None, held.only.value.split(", "))) if held and isinstance(held.only, Const) else ()
        )

    def loader(self, atom: Obj) -> Loader:
        """A loader that was handed over."""
        kind, name = kind_and_name(atom)
        dataset = self.ip.store.get(atom, "dataset") or NOTHING
        return Loader(
            key=atom,
            kind=kind,
            name=name,
            made=self._made(atom),
            dataset=self.given(dataset),
            holds=dataset.only.key if isinstance(dataset.only, Obj) else None,
            batch_size=amount_of(self.ip.store.get(atom, "batch_size") or NOTHING),
            generator=self._slot(atom, "generator"),
            sampler=self._slot(atom, "sampler"),
            batch_sampler=self._slot(atom, "batch_sampler"),
            shuffle=self._slot(atom, "shuffle"),
        )

    def engine(self, atom: Obj) -> Engine:
        """An engine, and what its constructor was given."""
        engine_object, store = real(atom), self.ip.store
        secure, accountant = store.get(engine_object, "secure_mode"), store.get(engine_object, "<accountant>")
        replaced = accountant is None or store.get(engine_object, "accountant")
        return Engine(
            key=engine_object,
            kind=atom.kind,
            made=self._made_again(engine_object),
            adaptive=atom.kind == "adaptive-engine",
            secure_mode=None if secure is None else self.given(secure),
            csprng=self._names_csprng(engine_object),
            accountant=None if replaced else self.given(accountant),
        )

    def _made_again(self, engine: Atom) -> Circumstances | None:
        """Where an engine is made, in the loops that make one in each of their turns."""
        made = self._made(engine)
        if made is None:
            return None
        once = MADE_ONCE.of(self.ip).get(engine, frozenset())
        return replace(made, loops=tuple(turn for turn in made.loops if turn not in once))

    def _names_csprng(self, engine: Atom) -> bool:
        modules, module = self.ip.modules, engine.module if isinstance(engine, Obj) else None
        if modules.texts.hold(b"csprng"):
            return True
        return module is not None and modules.path_of("torchcsprng", module.path) is not None

    def model(self, atom: Obj) -> Model:
        """A model that was handed over."""
        kind, name = kind_and_name(atom)
        return Model(key=atom, kind=kind, name=name, made=self._made(atom))

    def optimizer(self, atom: Obj) -> Optimizer:
        """An optimizer of torch, and whose parameters it trains."""
        kind, name = kind_and_name(atom)
        models = tuple(self.thing(m) for m in in_order(MODELS.of(self.ip).get(atom, ())))
        in_part = frozenset(IN_PART.of(self.ip).get(atom, ()))
        return Optimizer(
            key=atom, kind=kind, name=name, made=self._made(atom), models=models, in_part=in_part
        )


def _called_with_keywords(atom: Partial) -> str:
    """The library's function that a partial calls, where it adds keywords alone."""
    function = atom.function.only
    return function.name if isinstance(function, External) and not atom.positional else ""


def kind_and_name(atom: Atom) -> tuple[str, str]:
    """What an object is, and the name of its class, of what made it, or of the function that it is."""
    if isinstance(atom, External):
        short = atom.name.removeprefix("torch.nn.functional.")
        return "loss-function" if short in LOSS_FUNCTIONS else "library", atom.name
    if isinstance(atom, Function):
        return "function" if atom.name else "lambda", atom.name
    if isinstance(atom, Partial):
        return "partial", ""
    if isinstance(atom, Class):
        return "class", atom.node.name.value
    if isinstance(atom, Obj):
        if isinstance(atom.data, Class):
            return atom.kind, atom.data.node.name.value
        return atom.kind, atom.data if isinstance(atom.data, str) else ""
    return type(atom).__name__.lower(), ""
