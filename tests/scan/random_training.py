"""Small random training programs, and what running one with stand-ins for torch and Opacus does."""

from __future__ import annotations

import itertools
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

HEAD = """\
import argparse
from contextlib import nullcontext

import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--a", action="store_true")
parser.add_argument("--b", action="store_true")
parser.add_argument("--n", type=int, default=2)
args = parser.parse_args()


class Trainer:
    def __init__(self, model, optimizer, loader, criterion):
        self.model, self.optimizer, self.loader, self.criterion = model, optimizer, loader, criterion

    def loss(self, x, y):
        return self.criterion(self.model(x), y)


def loss_of(model, criterion, x, y):
    return criterion(model(x), y)


def settle(loss, optimizer):
    loss.backward()
    optimizer.step()


def parts(width=4):
    model = nn.Linear(width, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader([], batch_size=8)
    return model, optimizer, loader


torch.manual_seed(0)
criterion, plain = nn.CrossEntropyLoss(), nn.CrossEntropyLoss()
model, optimizer, loader = parts()
spare, spare_optimizer, spare_loader = parts(8)
step = 0
"""
CALL = "PrivacyEngine().make_private(module=model, optimizer=optimizer, data_loader=loader, "
CALL += "noise_multiplier=1.0, max_grad_norm=1.0, criterion={given}, grad_sample_mode={mode})"
MODES = ["'ghost'", "'hooks'", "('ghost' if args.a else 'hooks')", "{True: 'ghost', False: 'hooks'}[args.b]"]
TESTS = [
    "args.a",
    "args.b",
    "not args.a",
    "args.a and args.b",
    "step % 2 == 0",
    "mode == 'ghost'",
    "args.n > 1",
]
LOSSES = [
    "criterion(model(x), y)",
    "plain(model(x), y)",
    "nn.functional.cross_entropy(model(x), y)",
    "(criterion if args.a else plain)(model(x), y)",
    "loss_of(model, criterion, x, y)",
    "loss_of(model, plain, x, y)",
    "trainer.loss(x, y)",
    "losses['given'](model(x), y)",
    "chosen(model(x), y)",
]


CRITERIA = st.sampled_from(["criterion", "plain", "chosen"])


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Programs that make one run, train with it and with something that is not private."""
    lines = [f"mode = {draw(st.sampled_from(MODES))}", *draw(_making())]
    lines += [f"chosen = {draw(st.sampled_from(['criterion', 'plain']))}"]
    if draw(st.booleans()):
        lines += [
            f"if {draw(st.sampled_from(TESTS))}:",
            f"    chosen = {draw(st.sampled_from(['criterion', 'plain']))}",
        ]
    lines += [
        f"losses = {{'given': {draw(st.sampled_from(['criterion', 'plain']))}}}",
        f"trainer = Trainer(model, optimizer, loader, {draw(CRITERIA)})",
    ]
    if draw(st.booleans()):
        lines += [
            "model, optimizer, loader, spare, spare_optimizer, spare_loader = (",
            "    spare, spare_optimizer, spare_loader, model, optimizer, loader)",
        ]
    body = draw(_steps())
    loop = ["for x, y in {loader}:", "    step += 1", *("    " + line for line in body)]
    manager = "BatchMemoryManager(data_loader=loader, max_physical_batch_size=2, optimizer=optimizer)"
    how = draw(st.sampled_from(["plain", "managed", "either", "branch", "function"]))
    if how == "plain":
        lines += [line.format(loader="loader") for line in loop]
    elif how in ("managed", "either"):
        test = draw(st.sampled_from(TESTS[:4]))
        context = manager if how == "managed" else f"({manager} if {test} else nullcontext(loader))"
        lines += [f"with {context} as batches:", *("    " + line.format(loader="batches") for line in loop)]
    elif how == "branch":
        lines += [
            f"if {draw(st.sampled_from(TESTS))}:",
            *("    " + line.format(loader="loader") for line in loop),
        ]
    else:
        lines += [
            "def train(model, optimizer, loader, criterion, step=0):",
            *("    " + line.format(loader="loader") for line in loop),
            f"train(model, optimizer, loader, {draw(CRITERIA)})",
        ]
    return HEAD + "\n".join(lines) + "\n"


@st.composite
def _making(draw: st.DrawFn) -> list[str]:
    call = CALL.format(given=draw(st.sampled_from(["criterion", "plain"])), mode="mode")
    four = f"model, optimizer, {draw(st.sampled_from(['criterion', 'criterion', 'private']))}, loader"
    how = draw(st.sampled_from(["length", "mode", "index", "try", "reversed", "three"]))
    if how == "length":
        return [
            f"made = {call}",
            "if len(made) == 4:",
            f"    {four} = made",
            "else:",
            "    model, optimizer, loader = made",
        ]
    if how == "mode":
        return [
            "if mode == 'ghost':",
            f"    {four} = {call}",
            "else:",
            f"    model, optimizer, loader = {call}",
        ]
    if how == "index":
        return [
            f"made = {call}",
            "model, optimizer, loader = made[0], made[1], made[-1]",
            "criterion = made[2] if mode == 'ghost' else criterion",
        ]
    three = "model, optimizer, loader"
    if how == "three":
        return [f"{three} = {call}"]
    first, second = (three, four) if how == "reversed" else (four, three)
    return [f"made = {call}", "try:", f"    {first} = made", "except ValueError:", f"    {second} = made"]


@st.composite
def _steps(draw: st.DrawFn) -> list[str]:
    lines = ["optimizer.zero_grad()", f"loss = {draw(st.sampled_from(LOSSES))}"]
    kind = draw(st.sampled_from(["none", "divided", "if", "spare", "leave"]))
    if kind == "divided":
        lines += ["loss = loss / 2"]
    elif kind == "if":
        lines += [f"if {draw(st.sampled_from(TESTS))}:", f"    loss = {draw(st.sampled_from(LOSSES))}"]
    elif kind == "spare":
        lines += ["nn.functional.cross_entropy(spare(x), y).backward()", "spare_optimizer.step()"]
    elif kind == "leave":
        lines += [
            f"if {draw(st.sampled_from(TESTS))}:",
            f"    {draw(st.sampled_from(['break', 'continue']))}",
        ]
    how = draw(st.sampled_from(["plain", "function", "later"]))
    if how == "plain":
        return [*lines, "loss.backward()", "optimizer.step()"]
    if how == "function":
        return [*lines, "settle(loss, optimizer)"]
    return [*lines, f"if {draw(st.sampled_from(TESTS))}:", "    settle(loss, optimizer)"]


@dataclass
class Seen:
    """What one execution did with a run in ghost mode."""

    modes: set[str] = field(default_factory=set)
    unwrapped: bool = False
    wrapped: bool = False
    managed: bool = False
    raised: Exception | None = None

    @property
    def unpacked_wrongly(self) -> bool:
        """Whether it ended where three targets met four objects."""
        return isinstance(self.raised, ValueError)


def executions(program: str) -> Iterator[Seen]:
    """What each execution of a program does, for every choice of its arguments."""
    code = compile(program, "train.py", "exec")
    for a, b, n in itertools.product((False, True), (False, True), (1, 2, 3)):
        seen = Seen()
        with _stand_ins(Namespace(a=a, b=b, n=n), seen):
            try:
                exec(code, {"__name__": "__main__"})
            except (ValueError, TypeError, AttributeError, IndexError, NameError) as error:
                seen.raised = error
        yield seen


class _Anything:
    """A stand-in that is called and asked for anything."""

    def __init__(self, **known: Any) -> None:
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        return _Anything()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return _Anything()


def _modules(arguments: Namespace, seen: Seen) -> dict[str, dict[str, Any]]:
    class Model:
        ghost = False

        def __init__(self, *_: Any) -> None: ...

        def parameters(self) -> list[Any]:
            return []

        def __call__(self, x: Any) -> Any:
            return _Anything(model=self)

    class Criterion:
        wrapped = False

        def __call__(self, output: Any, target: Any) -> Any:
            return Loss(output.model, self.wrapped)

    class Loss:
        def __init__(self, model: Model, wrapped: bool) -> None:
            self.model, self.wrapped = model, wrapped

        def __truediv__(self, other: Any) -> Loss:
            return Loss(self.model, self.wrapped)

        def backward(self) -> None:
            if self.model.ghost:
                seen.wrapped |= self.wrapped
                seen.unwrapped |= not self.wrapped

    class Optimizer(_Anything):
        ghost = False

        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__()

    class Loader(list[Any]):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__([(0, 0)] * 3)

    class PrivacyEngine:
        def make_private(
            self, *, module: Any, optimizer: Any, data_loader: Any, criterion: Any, **rest: Any
        ) -> Any:
            mode = rest["grad_sample_mode"]
            seen.modes.add(mode)
            made, optimizer = Model(), Optimizer()
            if mode != "ghost":
                return made, optimizer, Loader()
            made.ghost = optimizer.ghost = True
            given = Criterion()
            given.wrapped = True
            return made, optimizer, given, Loader()

    @contextmanager
    def manager(*, data_loader: Any, optimizer: Any, **_: Any) -> Iterator[Any]:
        seen.managed |= optimizer.ghost
        yield data_loader

    class ArgumentParser(_Anything):
        def parse_args(self) -> Namespace:
            return arguments

    functional = _Anything(cross_entropy=lambda output, target: Loss(output.model, False))
    nn = _Anything(Linear=Model, CrossEntropyLoss=Criterion, functional=functional)
    optim, utils = _Anything(SGD=Optimizer), _Anything(data=_Anything(DataLoader=Loader))
    return {
        "argparse": {"ArgumentParser": ArgumentParser},
        "torch": {"nn": nn, "optim": optim, "utils": utils, "manual_seed": lambda seed: None},
        "opacus": {"PrivacyEngine": PrivacyEngine},
        "opacus.utils": {},
        "opacus.utils.batch_memory_manager": {"BatchMemoryManager": manager},
    }


@contextmanager
def _stand_ins(arguments: Namespace, seen: Seen) -> Iterator[None]:
    modules = _modules(arguments, seen)
    saved = {name: sys.modules.get(name) for name in modules}
    for name, members in modules.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(members)
    try:
        yield
    finally:
        for name, module in saved.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
