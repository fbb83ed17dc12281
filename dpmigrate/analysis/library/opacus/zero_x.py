"""The engine of Opacus 0.x: made with the model and what the accountant needs, attached to an optimizer.

``PrivacyEngine(module, *, sample_rate|batch_size, sample_size, ...)`` up to 0.15; since 1.0
``PrivacyEngine(*, accountant="prv", secure_mode=False)``. ``attach`` gave the optimizer ``privacy_engine``
and ``virtual_step``. Source: Opacus 0.9.1, 0.13.0, 0.15.0, 1.0 to 1.6.0.
"""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Const, Obj, Unknown
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import NONE, Entry, Value, of
from dpmigrate.analysis.ledger.gradients import SteppedVirtually
from dpmigrate.analysis.ledger.retired import RetiredKind
from dpmigrate.analysis.library.opacus.accountants import engines_of_accountant
from dpmigrate.analysis.library.opacus.making import epsilon_asked
from dpmigrate.analysis.library.torch.in_place.operations import changed_in_place
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.registry import CallInfo, method
from dpmigrate.analysis.retired import MetCall
from dpmigrate.analysis.training import TrainingRun

LOOK_ALIKES = (b"private_transformers", b"fastDP", b"flsim")
"""Libraries whose engines are attached, and step virtually, in the same words."""


ZERO_X = frozenset(
    [
        *(
            "module",
            "sample_rate",
            "batch_size",
            "sample_size",
            "max_grad_norm",
            "noise_multiplier",
            "alphas",
        ),
        *("secure_rng", "batch_first", "target_delta", "target_epsilon", "epochs", "loss_reduction"),
    ]
)
"""Parameters that only the engine of 0.x has; others are those of somebody's own copy."""


def is_zero_x(info: CallInfo) -> bool:
    """Whether a call of ``PrivacyEngine`` can only be the one of 0.x."""
    return bool(info.positional or set(info.keywords) & ZERO_X)


def make_zero_x(ip: Interpreter, info: CallInfo) -> Value:
    """An engine of 0.x."""
    made = ip.new("engine-0.x", info.node)
    noted = _note(ip, info, "engine-attach", "TypeError", engine=made)
    given = info.argument(0, "module").atoms
    parts = [part for atom in given if isinstance(atom, Unknown) for part in in_order(atom.parts)]
    for model in (*given, *parts):
        noted.in_place += [
            change for change in changed_in_place(ip, real(model)) if change not in noted.in_place
        ]
    return of(made)


def _note(
    ip: Interpreter,
    info: CallInfo,
    kind: RetiredKind,
    error: str,
    *,
    since: str = "1.0.0",
    sure: bool = True,
    engine: Obj | None = None,
) -> MetCall:
    return ip.retired.note(MetCall(kind, ip.origin(info.node), since, error, sure, engine))


@method("engine-0.x", "attach")
def _attach(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    made = next((c for c in ip.retired.calls.values() if c.engine == e.atom), None)
    for optimizer in info.argument(0, "optimizer").entries:
        ip.store.set(real(optimizer.atom), "privacy_engine", of(e.atom))
        if made is not None:
            made.optimizers.setdefault(optimizer.atom, ip.origin(info.node, "attached here"))
    return NONE


@method(("engine", "adaptive-engine"), "attach")
def _attach_todays(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _note(ip, info, "engine-attach", "AttributeError")
    return NONE


@method("engine-0.x", "to")
def _itself(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(e.atom, *e.because)


@method("engine-0.x", "virtual_step")
@method("optimizer", "virtual_step")
@method("dp-optimizer", "virtual_step")
def _virtual_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    engine = _engine_of(ip, e)
    if (
        engine is None
        and isinstance(e.atom, Obj)
        and e.atom.kind == "optimizer"
        and not _is_opacus_likely(ip)
    ):
        return NONE  # whoever lent it this method is another library
    _note(ip, info, "virtual-step", "AttributeError", engine=engine)
    if isinstance(e.atom, Obj) and isinstance(e.atom.data, TrainingRun):
        ip.happen(e.atom.data, SteppedVirtually(ip.at(info.node, e.guard)))
    return NONE


def _engine_of(ip: Interpreter, e: Entry) -> Obj | None:
    """The 0.x engine that is, or is attached to, something."""
    if isinstance(e.atom, Obj) and e.atom.kind == "engine-0.x":
        return e.atom
    attached = ip.store.get(real(e.atom), "privacy_engine")
    only = attached.only if attached is not None else None
    return only if isinstance(only, Obj) and only.kind == "engine-0.x" else None


@method("unknown", "virtual_step")
def _virtual_step_on_unknown(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if not info.everything() and _is_opacus_likely(ip):
        _note(ip, info, "virtual-step", "AttributeError", sure=False)
    return NONE


def _is_opacus_likely(ip: Interpreter) -> bool:
    """Whether the program speaks of Opacus, and of no library that has the same words."""
    texts = [m.source.data for m in ip.modules.loaded() if m.library_path is None]
    return any(b"opacus" in t for t in texts) and not any(name in t for t in texts for name in LOOK_ALIKES)


@method("engine-0.x", "get_privacy_spent")
@method(("engine", "adaptive-engine"), "get_privacy_spent")
def _privacy_spent(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _note(ip, info, "get-privacy-spent", "AttributeError", engine=_engine_of(ip, e))
    return ip.unknown(info.node, "epsilon and order")


@method("unknown", "get_privacy_spent")
def _privacy_spent_on_unknown(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """An accountant of an engine that is known, or the engine that an unknown optimizer is attached to."""
    symbol = e.atom.symbol if isinstance(e.atom, Unknown) else None
    through = symbol[2] if isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == "." else None
    for engine in engines_of_accountant(e.atom):
        epsilon_asked(ip, info, engine, e)
        _of_accountant(ip, info, engine)
    if through == "privacy_engine" and _is_opacus_likely(ip):
        _note(ip, info, "get-privacy-spent", "AttributeError", sure=False)
    return ip.unknown(info.node, "epsilon and order")


def _of_accountant(ip: Interpreter, info: CallInfo, engine: Obj) -> None:
    """Only the RDP accountant has it, by keyword; it was the default up to 1.2, the PRV accountant since."""
    chosen = ip.read(real(engine), "<accountant>")
    for atom in chosen.atoms if chosen else (Absent(),):
        if Const("rdp") == atom:
            if info.positional:
                _note(ip, info, "get-privacy-spent", "TypeError")
        elif isinstance(atom, Const):
            _note(ip, info, "get-privacy-spent", "AttributeError")
        elif isinstance(atom, Absent):
            _note(ip, info, "get-privacy-spent", "AttributeError", since="1.3.0")
