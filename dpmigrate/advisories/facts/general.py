"""The named facts that conditions are made of: small questions about one subject, three-valued.

A fact may leave words for the message in ``subject.notes``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import libcst as cst

from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import (
    UNKNOWN_AMOUNT,
    Amount,
    Backward,
    CoefficientAsked,
    Constant,
    Criterion,
    DoubleBackward,
    Event,
    FirstTouch,
    ManagerUsed,
    Open,
    PrivateRun,
    Unpack,
    Wrapped,
    ZeroGrad,
)
from dpmigrate.analysis.source.tree import every
from dpmigrate.model import Tri, both, either, negated
from dpmigrate.versions.releases import between

Fact = Callable[[Subject], Tri]
OF_EVENT = "event."
"""What stands before the name of a field in a condition."""
FACTS: dict[str, Fact] = {}

LEFT_WORDS = (
    *("maker", "step", "criterion", "consequence", "optimizer"),
    *("loader", "sampler", "delta", "keyword", "meant"),
    *("framework", "change", "combined", "told", "added", "loop"),
)
"""Words that some facts leave in ``subject.notes`` for the message."""


def fact(made: Fact) -> Fact:
    """Register a fact under its function's name, without the leading underscore."""
    FACTS[made.__name__.removeprefix("_")] = made
    return made


def answer(name: str, subject: Subject) -> Tri:
    """A fact of a subject, or what ``event.NAME`` says of its event."""
    field = name.removeprefix(OF_EVENT)
    if field == name:
        return FACTS[name](subject)
    said: Tri = getattr(subject.event, field)
    return said


# -- the run ----------------------------------------------------------------------------------


@fact
def _ghost(s: Subject) -> Tri:
    return s.run.ghost


@fact
def _manual(s: Subject) -> Tri:
    return s.run.manual


@fact
def _clipping_ghost(s: Subject) -> Tri:
    return s.run.argument("clipping").equals("ghost")


@fact
def _clipping_ghost_named(s: Subject) -> Tri:
    """The same where the program names the value: an option that could be anything is no sign of it."""
    clipping = s.run.argument("clipping")
    return clipping.equals("ghost") if clipping.names("ghost") else False


@fact
def _criterion_given(s: Subject) -> Tri:
    return s.run.argument("criterion").surely


@fact
def _max_grad_norm_is_one(s: Subject) -> Tri:
    each = s.run.argument("max_grad_norm").each
    answers = {None if isinstance(w, Open) else w in (Constant(1.0), Constant(1)) for w in each} or {False}
    answer = answers.pop() if len(answers) == 1 else None
    return s.unsure("max_grad_norm may be 1, or may be another") if answer is None else answer


@fact
def _patched(s: Subject) -> Tri:
    """Whether the program repairs Opacus's core when it runs (``dpmigrate.runtime.patch_opacus``)."""
    return s.run.patched


@fact
def _losses_wrapped_by_hand(s: Subject) -> Tri:
    """Whether the program wraps its own losses, so that the criterion of the engine is of no use."""
    wrappings = [e for e in s.run.happened(Wrapped) if e.wrapper == "DPTensorFastGradientClipping"]
    return any(not e.guard for e in wrappings) or (None if wrappings else False)


@fact
def _in_a_test(s: Subject) -> Tri:
    """Whether it stands in a file of tests, as pytest finds them: known noise, or none, is meant there."""
    name = s.module.path.rpartition("/")[2]
    return bool(_TEST_FILE.fullmatch(name)) and any(
        isinstance(n, cst.FunctionDef) and n.name.value.startswith("test_") for n in every(s.module.tree)
    )


_TEST_FILE = re.compile(r"test_.*\.py|.*_test\.py")


# -- versions ---------------------------------------------------------------------------------


# -- what happens to the gradients ------------------------------------------------------------


@fact
def _gradients_reset(s: Subject) -> Tri:
    """Whether the first thing that touches the gradients after each step sets them to None."""
    return reset_to_none(s.run.happened(FirstTouch))


def reset_to_none(touches: Iterable[FirstTouch]) -> Tri:
    """True when every first touch after a step sets the gradients to None; None if unknown."""
    ways = [(e.how, bool(e.guard)) for e in touches]
    kinds = {how for how, _ in ways}
    if not kinds:
        return None
    if kinds == {"none"}:
        return True
    if "none" not in kinds and "unknown" not in kinds:
        return False
    sure_wrong = any(how in ("inplace", "backward") and not guarded for how, guarded in ways)
    return False if sure_wrong and "unknown" not in kinds else None


@fact
def _has_two_passes(s: Subject) -> Tri:
    two = any(e.loss == "two-pass" for e in s.run.happened(Backward))
    return two or any(True for _ in s.run.happened(DoubleBackward))


@fact
def _single_physical_batch(s: Subject) -> Tri:
    """Whether every logical batch certainly is one physical batch."""
    return splits_no_batch(s.run, s.event.maximum if isinstance(s.event, ManagerUsed) else UNKNOWN_AMOUNT)


def splits_no_batch(run: PrivateRun, maximum: Amount) -> Tri:
    """Whether a memory manager with a maximum of examples certainly leaves every logical batch whole."""
    fixed = run.argument("poisson_sampling").equals(False)
    answers: list[Tri] = []
    for loader in run.loaders:
        whole = loader.holds is not None and maximum.length_of == loader.holds
        answers.append(either(both(fixed, maximum.at_least(loader.batch_size)), whole))
    return both(*answers) if answers else False


@fact
def _old_coefficient(s: Subject) -> Tri:
    """Whether the coefficient is asked for by its name before 1.5.3."""
    return any(e.name == "get_coeff" for e in s.run.happened(CoefficientAsked))


# -- the loss ---------------------------------------------------------------------------------


@fact
def _unwrapped(s: Subject) -> Tri:
    """Whether this backward starts at a loss of the private model that the run did not wrap."""
    event = s.event
    if not isinstance(event, Backward) or event.loss != "other":
        return False
    if any(step in (".logits", ".hidden_states") for step in event.steps[:1]):
        return False
    if event.retained and any(isinstance(e, (CoefficientAsked, DoubleBackward)) for e in s.run.events):
        return False
    if _has_two_passes(s) or _is_for_another(s, event) or right_but_for_doubt(s, _wraps):
        return False
    s.notes["maker"] = maker_words(event)
    return True


def right_but_for_doubt(s: Subject, right: Callable[[Event], bool]) -> bool:
    """Whether the run does what is right at the very place, and only lost correlations leave another case.

    Where a test tells the two apart, the other case has that test for an assumption. Where even the mode is
    open, so much hangs on options that a correlation is more likely lost than broken.
    """
    event = s.event
    return (
        event is not None
        and (event.doubtful or (s.run.cut_short and bool(event.guard)))
        and s.run.certainty() == "possible"
        and any(
            e.origin.node is event.origin.node and e.chain == event.chain and right(e) for e in s.run.events
        )
    )


@fact
def _assumptions_lost(s: Subject) -> Tri:
    """Whether assumptions were given up on the way here, so that it may well be of another run."""
    event = s.event
    return event is not None and (event.unplaced or (s.run.cut_short and bool(event.guard)))


def _wraps(event: Event) -> bool:
    return isinstance(event, Backward) and event.loss == "returned-criterion"


def _is_for_another(s: Subject, event: Backward) -> bool:
    """Whether this backward trains another model through the private one, as a GAN's generator is trained.

    The private model has losses of its own then, and its gradients are cleared for them.
    """
    losses = {e.loss for e in s.run.happened(Backward)}
    return event.through and "returned-criterion" in losses and any(True for _ in s.run.happened(ZeroGrad))


@fact
def _wrapped_loss(s: Subject) -> Tri:
    """Whether the returned criterion made this loss."""
    return isinstance(s.event, Backward) and s.event.loss == "returned-criterion"


@fact
def _two_pass_loss(s: Subject) -> Tri:
    """Whether this is the second pass of two, over losses times their clipping coefficients."""
    return isinstance(s.event, Backward) and s.event.loss == "two-pass"


@fact
def _penalised(s: Subject) -> Tri:
    """Whether something made of the model's parameters was added to this loss."""
    return isinstance(s.event, Backward) and any(step in PENALTIES for step in s.event.steps)


@fact
def _batch_term_added(s: Subject) -> Tri:
    """Whether one number that was made of the whole batch was added to this loss of each example."""
    return isinstance(s.event, Backward) and any(
        step in ("add-reduced", "sub-reduced") for step in s.event.steps
    )


PENALTIES = ("add-penalty", "sub-penalty")
"""What was done to a loss, where the other number is made of parameters and counts for itself."""

OPERATORS = {"div": "/", "mul": "*", "add": "+", "sub": "-"}


@fact
def _computed_with(s: Subject) -> Tri:
    """Whether this loss was divided, multiplied, added to or subtracted from."""
    steps = s.event.steps if isinstance(s.event, Backward) else ()
    signs = [OPERATORS[step.partition("-")[0]] for step in steps if step.partition("-")[0] in OPERATORS]
    s.notes["step"] = ", ".join(f"`{sign}`" for sign in dict.fromkeys(signs))
    return bool(signs)


@fact
def _made_by_a_criterion(s: Subject) -> Tri:
    """Whether a criterion or a functional loss made this loss, and nothing was done to it but a reduction."""
    event = s.event
    if not isinstance(event, Backward) or not set(event.steps) <= set(REDUCTIONS):
        return False
    return event.maker.kind in ("loss-function", "criterion", "class")


REDUCTIONS = ("mean", "sum")
"""What makes one number of a batch of losses."""


def maker_words(event: Backward) -> str:
    """What made a loss, in words."""
    maker = event.maker
    if maker.kind in ("loss-function", "library"):
        short = maker.name.replace("torch.nn.functional.", "F.").replace("torch.nn.", "nn.")
        return f"`{short}`"
    if maker.kind == "criterion":
        return f"`{(maker.name or 'a criterion').replace('torch.nn.', 'nn.')}`"
    if maker.kind == "model":
        if not all(step.startswith(".") or step in REDUCTIONS for step in event.steps):
            return "arithmetic on the model's outputs"
        path = "".join(step for step in event.steps if step.startswith("."))
        return f"the model itself (`outputs{path}`)" if path else "the model itself"
    if maker.kind == "class":
        return f"`{maker.name}`"
    if maker.kind == "dp-criterion":
        return "another private model's criterion"
    return "something else"


@fact
def _ignores_reduction(s: Subject) -> Tri:
    """Whether the criterion that was given does not honour ``reduction="none"``."""
    answers = []
    for what in s.given.each:
        answer = negated(what.honours_reduction) if isinstance(what, Criterion) else False
        if answer is not False and isinstance(what, Criterion):
            s.notes["criterion"] = criterion_words(what)
            s.notes["consequence"] = _consequence(s, sure=answer is True)
        answers.append(answer)
    return either(*answers) if len(set(answers)) == 1 else (None if True in answers else False)


def criterion_words(criterion: Criterion) -> str:
    """A criterion in words."""
    if criterion.kind == "instance":
        return f"`{criterion.name}` returns a mean whatever `reduction` says"
    if criterion.kind == "partial":
        return "a `functools.partial` is a function"
    if criterion.kind == "lambda":
        return "a lambda is a function"
    name = criterion.name.replace("torch.nn.functional.", "F.")
    return f"`{name}` is a function" if name else "it is a function"


def _consequence(s: Subject, sure: bool) -> str:
    """What the releases that remain do with a criterion whose ``reduction`` cannot be set."""
    versions = s.versions.together or s.versions.evidence
    old = [release for release in ("1.5.3", "1.5.4") if release in versions]
    said = []
    if old:
        said.append(f"Opacus {' and '.join(old)} raise{'s' * (len(old) == 1)}")
    if versions & between("1.6.0"):
        said.append(f"{'Opacus ' * (not old)}1.6.0 clips nothing{_UNLESS[sure]}")
    return ", ".join(said)


_UNLESS = {True: "", False: " unless it gives one loss per example, which cannot be told from here"}


@fact
def _criterion_is_function(s: Subject) -> Tri:
    return all(not isinstance(w, Criterion) or w.function for w in s.given.each)


@fact
def _criterion_is_functional_loss(s: Subject) -> Tri:
    """Whether it is a function of ``torch.nn.functional`` that a module of ``torch.nn`` stands for."""
    return all(isinstance(w, Criterion) and w.kind == "loss-function" for w in s.given.each)


@fact
def _already_per_example(s: Subject) -> Tri:
    return both(*(isinstance(w, Criterion) and w.per_example for w in s.given.each))


# -- the result -------------------------------------------------------------------------------


@fact
def _takes_three(s: Subject) -> Tri:
    return isinstance(s.event, Unpack) and s.event.count == 3 and s.event.star is None


# -- randomness -------------------------------------------------------------------------------


@fact
def _noise_generator_given(s: Subject) -> Tri:
    generator = s.run.draws_from
    return bool(generator) and generator.only != Constant(None)


@fact
def _loader_generator_given(s: Subject) -> Tri:
    return any(bool(loader.generator) for loader in s.run.loaders)


@fact
def _global_seed(s: Subject) -> Tri:
    return s.run.seeded


@fact
def _secure_mode(s: Subject) -> Tri:
    if s.run.engine is None:
        return None
    return s.run.engine.secure_mode.equals(True) if s.run.engine.secure_mode else False


@fact
def _secure_mode_surely(s: Subject) -> Tri:
    """Whether secure mode is on in every execution: programs that have it as an option branch on it."""
    return _secure_mode(s) is True
