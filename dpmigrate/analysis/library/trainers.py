"""Trainers of the Hugging Face family, which own the loop: what they keep, seed, and give their methods."""

from __future__ import annotations

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import passes_through
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, ForwardPass, Obj, Tensor
from dpmigrate.analysis.domain.values import NONE, NOTHING, Class, Entry, Seq, Value, join_all, of
from dpmigrate.analysis.language.calls import call_method
from dpmigrate.analysis.language.classes import BASE_KINDS, find_member
from dpmigrate.analysis.ledger.optimizing import SteppedByTrainer
from dpmigrate.analysis.ledger.sampling import TrainedOn
from dpmigrate.analysis.library.seeds import seed_globally
from dpmigrate.analysis.library.torch.data import kinds_of_loader
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.structure import MODELS
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.training import entries_of_kind

TRAINERS = (
    "transformers.Trainer",
    "transformers.trainer.Trainer",
    "transformers.Seq2SeqTrainer",
    "transformers.trainer_seq2seq.Seq2SeqTrainer",
    *(
        f"trl.{place}{name.upper() if name != 'reward' else 'Reward'}Trainer"
        for name in ("sft", "dpo", "kto", "orpo", "cpo", "bco", "grpo", "reward")
        for place in ("", "trainer.", f"trainer.{name}_trainer.")
    ),
)
BASE_KINDS.update(dict.fromkeys(TRAINERS, "trainer"))
registry.GIVEN["trainer", "model"] = "model"


@function(*TRAINERS)
def _make_trainer(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("trainer", info.node)
    _init_trainer(ip, info, Entry(made))
    return of(made)


@method("trainer", "__init__")
def _init_trainer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """The constructor keeps its arguments and calls ``set_seed(args.seed)``, 42 where nobody said."""
    trainer = real(e.atom)
    for position, name in enumerate(("model", "args", "data_collator", "train_dataset", "eval_dataset")):
        if value := info.argument(position, name):
            ip.store.set(trainer, name, value)
    pair = info.argument(None, "optimizers").only
    if isinstance(pair, Seq) and pair.items:
        ip.store.set(trainer, "optimizer", pair.items[0])
    seed_globally(ip, CallInfo(info.node, name="Trainer"))
    here = {frame.owner for frame in ip.frames}
    for run in ip.runs.values():
        if run.frames and run.frames[-1] in here:
            run.seeded = True
    return NONE


@method("trainer", "train")
def _train(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """It makes a loader of its own, unless a class of the program says which, and steps what it was given."""
    trainer = real(e.atom)
    optimizers = list(entries_of_kind(ip.read(trainer, "optimizer") or NOTHING, "dp-optimizer"))
    _steps_plainly(ip, trainer, info, e)
    loaders = _goes_over(ip, trainer, info) if optimizers else NOTHING
    for given, optimizer in optimizers:
        run = optimizer.data
        for loader in loaders.entries:
            there = ip.at(info.node, e.guard | given.guard | loader.guard)
            for kind in kinds_of_loader(ip, run, loader.atom):
                ip.happen(run, TrainedOn(there, kind))
    return ip.unknown(info.node, "what training gave")


def _steps_plainly(ip: Interpreter, trainer: Atom, info: CallInfo, e: Entry) -> None:
    """A trainer of a private model steps an optimizer of torch, one that it was given or makes itself."""
    if _has_its_own(ip, trainer, "_inner_training_loop"):
        return
    private = list(entries_of_kind(ip.read(trainer, "model") or NOTHING, "dp-model"))
    held = ip.read(trainer, "optimizer")
    for given, model in private:
        run = model.data
        there = ip.at(info.node, e.guard | given.guard)
        if not held or held.only == Const(None):
            if not any(_has_its_own(ip, trainer, name) for name in _MAKING):
                ip.happen(run, SteppedByTrainer(there, "the trainer's own optimizer", raw=False))
        elif isinstance(held.only, Obj) and held.only.kind == "optimizer":
            raw, trained = held.only in run.raw_optimizers, MODELS.of(ip).get(held.only, set())
            if raw or not trained.isdisjoint({model, *run.raw_models}):
                ip.happen(run, SteppedByTrainer(there, str(held.only.data), raw))


_MAKING = ("create_optimizer", "create_optimizer_and_scheduler")


def _has_its_own(ip: Interpreter, trainer: Atom, method: str) -> bool:
    """Whether a class of the program says what a trainer's method does."""
    its_own = trainer.data if isinstance(trainer, Obj) and isinstance(trainer.data, Class) else None
    return its_own is not None and find_member(ip, its_own, method) is not None


def _goes_over(ip: Interpreter, trainer: Atom, info: CallInfo) -> Value:
    """The loader that a trainer takes its batches of: nothing where the program has the loop itself."""
    if _has_its_own(ip, trainer, "_inner_training_loop"):
        return NOTHING
    if isinstance(trainer, Obj) and _has_its_own(ip, trainer, _LOADER):
        return call_method(ip, trainer, _LOADER, CallInfo(info.node, name=_LOADER))
    made = ip.new("loader", info.node, "transformers.Trainer")
    ip.store.set(made, "dataset", ip.read(trainer, "train_dataset") or NOTHING)
    return of(made)


_LOADER = "get_train_dataloader"


@method("trainer", "create_optimizer", "create_optimizer_and_scheduler")
def _create_optimizer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    trainer = real(e.atom)
    held = ip.read(trainer, "optimizer")
    if not held or not any(isinstance(a, Obj) for a in held.atoms):
        made = ip.new("optimizer", info.node, "transformers.Trainer")
        models = [a for a in (ip.read(trainer, "model") or NOTHING).atoms if isinstance(a, Obj)]
        MODELS.of(ip).setdefault(made, set()).update(models)
        held = of(made)
        ip.store.set(trainer, "optimizer", held)
    return held if info.name == "create_optimizer" else NONE


@method("trainer", "compute_loss")
def _compute_loss(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """What the model says its loss is (``outputs.loss``)."""
    model = info.argument(0, "model") or ip.read(real(e.atom), "model") or NOTHING
    given = CallInfo(info.node, [info.argument(1, "inputs")])
    losses = [
        of(_loss_of(x.atom, passes_through(ip, x.atom, given)), guard=x.guard)
        for x in model.entries
        if isinstance(x.atom, Obj)
    ]
    return join_all(losses) or ip.unknown(info.node, "a loss")


def _loss_of(model: Atom, passes: frozenset[ForwardPass]) -> Tensor:
    return Tensor(frozenset({model}), model, (".loss",), passes=passes)
