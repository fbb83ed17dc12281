"""Small random training programs: strategies that put them together."""

from __future__ import annotations

import re

from hypothesis import strategies as st

HEAD = """import argparse
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
"""
START = """\
criterion, plain = nn.CrossEntropyLoss(), nn.CrossEntropyLoss()
model, optimizer, loader = parts()
spare, spare_optimizer, spare_loader = parts(8)
step = 0
"""
NAMES = "mode model optimizer criterion loader plain spare spare_optimizer spare_loader step chosen"
NAMES += " losses trainer made private batches given generator"
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
    making = [*START.splitlines(), f"mode = {draw(st.sampled_from(MODES))}", *draw(_making())]
    making += [f"chosen = {draw(st.sampled_from(['criterion', 'plain']))}"]
    if draw(st.booleans()):
        making += [
            f"if {draw(st.sampled_from(TESTS))}:",
            f"    chosen = {draw(st.sampled_from(['criterion', 'plain']))}",
        ]
    making += [
        f"losses = {{'given': {draw(st.sampled_from(['criterion', 'plain']))}}}",
        f"trainer = Trainer(model, optimizer, loader, {draw(CRITERIA)})",
    ]
    if draw(st.booleans()):
        making += [
            "model, optimizer, loader, spare, spare_optimizer, spare_loader = (",
            "    spare, spare_optimizer, spare_loader, model, optimizer, loader)",
        ]
    return HEAD + "\n".join(draw(_laid_out(making, draw(_training())))) + "\n"


@st.composite
def _training(draw: st.DrawFn) -> list[str]:
    body = draw(_steps())
    loop = ["for x, y in {loader}:", "    step += 1", *_inside(body)]
    plain = [line.format(loader="loader") for line in loop]
    manager = "BatchMemoryManager(data_loader=loader, max_physical_batch_size=2, optimizer=optimizer)"
    how = draw(st.sampled_from(["plain", "managed", "either", "branch", "function"]))
    if how in ("managed", "either"):
        test = draw(st.sampled_from(TESTS[:4]))
        context = manager if how == "managed" else f"({manager} if {test} else nullcontext(loader))"
        return [f"with {context} as batches:", *_inside([line.format(loader="batches") for line in loop])]
    if how == "branch":
        return [f"if {draw(st.sampled_from(TESTS))}:", *_inside(plain)]
    if how == "function":
        head = "def train(model, optimizer, loader, criterion, step=0):"
        return [head, *_inside(plain), f"train(model, optimizer, loader, {draw(CRITERIA)})"]
    return plain


@st.composite
def _laid_out(draw: st.DrawFn, making: list[str], training: list[str]) -> list[str]:
    """The same statements at the top, in a function, in two of them, or as methods with attributes."""
    how = draw(st.sampled_from(["script", "function", "functions", "class"]))
    if how == "class" and not any("def train" in line for line in training):
        name = re.compile(rf"(?<![\w.'\"])({NAMES.replace(' ', '|')})\b(?!=[^=])(?!['\"])")
        making, training = ([name.sub(r"self.\1", line) for line in lines] for lines in (making, training))
        methods = ["def make(self):", *_inside(making), "def train(self):", *_inside(training)]
        return ["class Runner:", *_inside(methods), "runner = Runner()", "runner.make()", "runner.train()"]
    if how == "functions":
        kept = "mode, model, optimizer, criterion, loader, plain, spare, spare_optimizer"
        kept += ", step, chosen, losses, trainer"
        make = ["def make():", *_inside([*making, f"return {kept}"])]
        return [*make, "def main():", *_inside([f"{kept} = make()", *training]), "main()"]
    if how == "function":
        return ["def main():", *_inside([*making, *training]), "if __name__ == '__main__':", "    main()"]
    return [*making, *training]


def _inside(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


@st.composite
def _making(draw: st.DrawFn) -> list[str]:
    before, call = draw(_calls())
    three = "model, optimizer, loader"
    four = f"model, optimizer, {draw(st.sampled_from(['criterion', 'criterion', 'private']))}, loader"
    how = draw(st.sampled_from(["length", "mode", "index", "try", "reversed", "three"]))
    if how == "three":
        return [*before, f"{three} = {call}"]
    if how == "mode":
        return [*before, "if mode == 'ghost':", f"    {four} = {call}", "else:", f"    {three} = {call}"]
    if how == "length":
        number = draw(st.sampled_from(["== 4", "> 3", ">= 4"]))
        test = [f"if len(made) {number}:", f"    {four} = made", "else:", f"    {three} = made"]
    elif how == "index":
        test = [
            f"{three} = made[0], made[1], made[-1]",
            "criterion = made[2] if mode == 'ghost' else criterion",
        ]
    else:
        first, second = (three, four) if how == "reversed" else (four, three)
        test = ["try:", f"    {first} = made", "except ValueError:", f"    {second} = made"]
    return [*before, f"made = {call}", *test]


@st.composite
def _calls(draw: st.DrawFn) -> tuple[list[str], str]:
    """A call that makes the run, and what it needs."""
    lines, more = [], ""
    if draw(st.booleans()):
        lines += ["generator = torch.Generator()"]
        seeding = draw(st.sampled_from(["no", "yes", "if"]))
        test = [f"if {draw(st.sampled_from(TESTS))}:"] if seeding == "if" else []
        lines += [] if seeding == "no" else [*test, "    " * len(test) + "generator.manual_seed(1)"]
        more = ", noise_generator=generator"
    given = draw(st.sampled_from(["criterion=criterion", "criterion=plain"]))
    objects = "module=model, optimizer=optimizer, data_loader=loader"
    rest = f"noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=mode{more}"
    if draw(st.booleans()):
        return lines, f"PrivacyEngine().make_private({objects}, {given}, {rest})"
    lines += [f"given = dict({objects})"]
    always = draw(st.booleans())
    lines += [] if always else [f"if {draw(st.sampled_from(TESTS))}:"]
    lines += ["    " * (not always) + f"given.update({given})"]
    return lines, f"PrivacyEngine().make_private({rest}, **given)"


ZEROES = st.sampled_from(
    [
        ["optimizer.zero_grad()"],
        ["optimizer.zero_grad(set_to_none=True)"],
        ["optimizer.zero_grad(True)"],
        ["model.zero_grad(set_to_none=args.a)"],
        ["if args.b:", "    optimizer.zero_grad(set_to_none=True)"],
        ["for p in model.parameters():", "    p.grad = None"],
        [],
    ]
)


@st.composite
def _steps(draw: st.DrawFn) -> list[str]:
    lines, zero = [f"loss = {draw(st.sampled_from(LOSSES))}"], draw(ZEROES)
    if draw(st.booleans()):
        return [*draw(_with_backward(lines)), *zero]
    return draw(_with_backward([*zero, *lines]))


@st.composite
def _with_backward(draw: st.DrawFn, lines: list[str]) -> list[str]:
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
