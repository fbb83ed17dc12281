"""Random programs with a fault or two, which options choose that belong together.

They clip by hooks, and in ghost mode for several backward passes before a step (DPM106).
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.scan.random_flags import KEEPING, kept_answer

HEAD = """import argparse
import functools
from contextlib import nullcontext, suppress

import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

parser = argparse.ArgumentParser()
parser.add_argument("--a", action="store_true")
parser.add_argument("--b", action="store_true")
parser.add_argument("--n", type=int, default=2)
args = parser.parse_args()


def penalty(model):
    return sum((p ** 2).sum() for p in model.parameters())


def clip(model, limit=1.0):
    torch.nn.utils.clip_grad_norm_(model.parameters(), limit)


def optional(work, wanted):
    if wanted:
        work()


def chosen(yes, no, wanted):
    return yes if wanted else no


def starred(*_, on=False, **more):
    return on


"""
SILENT_IN_DOUBT = "DPM109"
"""The rule that says nothing where assumptions were given up: ``a or b`` is no conjunction."""
FAULTS = ["DPM106", "DPM109", "DPM122", "DPM302", "DPM303", "DPM301", "DPM120", "DPM304"]
APART = [{"DPM120", "DPM109"}, {"DPM120", "DPM302"}, {"DPM301", "DPM302"}, {"DPM304", "DPM302"}]
APART += [{"DPM304", fault} for fault in ("DPM301", "DPM120", "DPM303", "DPM109")]
APART += [{"DPM106", fault} for fault in ("DPM120", "DPM122", "DPM302", "DPM304")]
"""Faults of which one leaves nothing of the other, or makes another one of it."""
TESTS = ["args.a", "args.b", "not args.a", "args.n > 1", "args.a and args.b", "args.a or args.b"]


@st.composite
def hooks_programs(draw: st.DrawFn) -> str:
    """A program that makes one private run, or does not, and commits each fault where its test says so."""
    faults = draw(st.sets(st.sampled_from(FAULTS), min_size=1, max_size=2))
    if any(pair <= faults for pair in APART):
        faults = {sorted(faults)[0]}
    setup: list[str] = []
    tests = {fault: draw(_test(fault, setup)) for fault in sorted(faults)}
    private = draw(st.sampled_from(["", "", *TESTS]))
    body = draw(_remade(tests, private)) if "DPM304" in tests else draw(_trained(tests, private))
    lines = [*setup, *body]
    how = draw(st.sampled_from(["script", "function", "function"]))
    if how == "function":
        lines = ["def main():", *_inside(lines), "", "", "main()"]
    return HEAD + "\n".join(lines) + "\n"


@st.composite
def _test(draw: st.DrawFn, fault: str, setup: list[str]) -> str:
    """A test for one fault, with what it needs before: always, an option, or its answer that is kept."""
    test = draw(st.sampled_from(TESTS))
    how = draw(st.sampled_from(["always", "option", *KEEPING]))
    if how == "always":
        return "True"
    if how == "option":
        return test
    lines, asked = kept_answer(how, f"wanted_{fault[3:]}", test)
    setup += lines
    return asked


@st.composite
def _trained(draw: st.DrawFn, tests: dict[str, str], private: str) -> list[str]:
    sampler = (
        f", sampler=WeightedRandomSampler([1.0], 8) if {tests['DPM303']} else None"
        if "DPM303" in tests
        else ""
    )
    ghost = "DPM106" in tests
    making = [
        "engine = PrivacyEngine()",
        f"model, optimizer, {'criterion, ' if ghost else ''}loader = engine.make_private(",
        "    module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,",
        *(['    criterion=criterion, grad_sample_mode="ghost",'] if ghost else []),
        ")",
    ]
    lines = [
        "model = nn.Linear(4, 2)",
        "criterion = nn.CrossEntropyLoss()",
        "raw = optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
        f"passed = loader = DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=8{sampler})",
        *([f"if {private}:", *_inside(making)] if private else making),
        f"batches = passed if {tests['DPM301']} else loader" if "DPM301" in tests else "batches = loader",
        f"stepped = raw if {tests['DPM120']} else optimizer" if "DPM120" in tests else "stepped = optimizer",
    ]
    loop = ["for x, y in batches:", *_inside(draw(_steps(tests, "model", "stepped")))]
    if "DPM302" in tests and not private:
        manager = "BatchMemoryManager(data_loader=loader, max_physical_batch_size=2, optimizer=optimizer)"
        return [*lines, f"with {manager} as batches:", *_inside(loop)]
    return [*lines, *loop]


@st.composite
def _remade(draw: st.DrawFn, tests: dict[str, str], private: str) -> list[str]:
    """Three epochs, each of which makes an engine where the test of the fault says so."""
    steps = draw(_steps(tests, "private", "optimizer"))
    return [
        "model = nn.Linear(4, 2)",
        "engine = PrivacyEngine()",
        "for epoch in range(3):",
        f"    if {tests['DPM304']}:",
        "        engine = PrivacyEngine()",
        "    private, optimizer, loader = engine.make_private(",
        "        module=model,",
        "        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),",
        "        data_loader=DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=8),",
        "        noise_multiplier=1.0,",
        "        max_grad_norm=1.0,",
        "    )",
        "    for x, y in loader:",
        *_inside(_inside(steps)),
        "    spent = engine.get_epsilon(1e-5)",
    ]


@st.composite
def _steps(draw: st.DrawFn, tests: dict[str, str], model: str, optimizer: str) -> list[str]:
    lines: list[str] = []
    if "DPM302" in tests:
        test = draw(st.sampled_from(["len(x) == 0", "x.shape[0] == 0", "not len(y)"]))
        lines += [f"if {tests['DPM302']}:", f"    if {test}:", "        continue"]
    made = f"criterion({model}(x), y)" if "DPM106" in tests else f"nn.functional.cross_entropy({model}(x), y)"
    lines += [f"{optimizer}.zero_grad()", f"loss = {made}"]
    if "DPM122" in tests:
        more = draw(st.sampled_from(["loss = loss + penalty({})", "loss += 0.1 * penalty({})"])).format(model)
        lines += [f"if {tests['DPM122']}:", f"    {more}"]
    lines += ["loss.backward()"]
    if "DPM106" in tests:
        again = draw(st.sampled_from([f"{made}.backward()", f"second = {made}\n    second.backward()"]))
        lines += [f"if {tests['DPM106']}:", *f"    {again}".split("\n")]
    if "DPM109" in tests:
        how = draw(st.sampled_from(["direct", "helper", "handed"]))
        if how == "handed":
            lines += [f"optional(lambda: clip({model}), {tests['DPM109']})"]
        else:
            call = (
                f"clip({model})"
                if how == "helper"
                else f"nn.utils.clip_grad_norm_({model}.parameters(), 1.0)"
            )
            lines += [f"if {tests['DPM109']}:", f"    {call}"]
    return [*lines, f"{optimizer}.step()"]


def _inside(lines: list[str]) -> list[str]:
    return ["    " + line if line else "" for line in lines]
