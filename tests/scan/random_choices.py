"""Random programs that choose private or plain training by options that have to do with one another."""

from __future__ import annotations

from hypothesis import strategies as st

HEAD = """import argparse

import torch
from opacus import PrivacyEngine
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--a", action="store_true")
parser.add_argument("--b", action="store_true")
parser.add_argument("--n", type=int, default=2)
args = parser.parse_args()


class Plain:
    def __init__(self):
        self.model = nn.Linear(4, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.loader = self.batches = torch.utils.data.DataLoader([], batch_size=8)
        self.stepped = self.optimizer

    def train(self):
        for x, y in self.batches:
            self.stepped.zero_grad()
            nn.functional.cross_entropy(self.model(x), y).backward()
            self.stepped.step()


class Other(Plain):
    pass


class Private(Plain):
    def protect(self, noise):
        self.model, optimizer, loader = PrivacyEngine().make_private(
            module=self.model,
            optimizer=self.optimizer,
            data_loader=self.loader,
            noise_multiplier=noise,
            max_grad_norm=1.0,
            grad_sample_mode="hooks",
        )
"""
TESTS = ["args.a", "args.b", "not args.a", "args.n > 1", "args.a and args.b", "args.a or args.b", "options"]
OPTIONS = [
    "{'noise': args.n} if args.n > 1 else {}",
    "args.n if args.a else None",
    "{} if args.b else {'noise': 1}",
]
KEPT = [
    ["self.batches, self.stepped = loader, optimizer"],
    ["self.batches = loader", "self.stepped = optimizer"],
    ["self.batches = loader"],
    ["self.stepped = optimizer"],
]
CALLS = [
    ["trainer.train()"],
    ["run(trainer.train)"],
    ["run(lambda: trainer.train())"],
    ["for each in [trainer]:", "    each.train()"],
    ["kept['trainer'] = trainer", "kept['trainer'].train()"],
]


@st.composite
def choices(draw: st.DrawFn) -> str:
    """A program: how the private trainer is protected, which trainer is made, and how it is trained."""
    test = st.sampled_from(TESTS)
    kept = draw(st.sampled_from(KEPT))
    if draw(st.booleans()):
        where = draw(st.sampled_from(["args.a", "args.b", "args.n > 1"]))
        kept = [*draw(st.sampled_from(KEPT)), f"if {where}:", *_inside(draw(st.sampled_from(KEPT)))]
    private = draw(test)
    again = draw(st.sampled_from([private, private, "isinstance(trainer, Private)", draw(test)]))
    lines = [
        f"options = {draw(st.sampled_from(OPTIONS))}",
        "kept = {}",
        *draw(_kind(private)),
        "trainer = kind()",
        f"if {again}:",
        "    trainer.protect(1.0)",
        *draw(st.sampled_from(CALLS)),
    ]
    main = [
        "",
        "",
        "def run(work):",
        "    work()",
        "",
        "",
        "def main():",
        *_inside(lines),
        "",
        "",
        "main()",
        "",
    ]
    return HEAD + "\n".join([*_inside(_inside(kept)), *main])


@st.composite
def _kind(draw: st.DrawFn, private: str) -> list[str]:
    how = draw(st.sampled_from(["raise", "expression", "table", "branches", "function"]))
    other = draw(st.sampled_from(["args.a", "args.b", "args.n > 1"]))
    if how == "raise":
        inner = [f"    if {private}:", "        raise RuntimeError", "    kind = Other"]
        return [f"if {other}:", *inner, f"elif {private}:", "    kind = Private", "else:", "    kind = Plain"]
    if how == "table":
        return [f"kind = {{'yes': Private, 'no': Plain}}['yes' if {private} else 'no']"]
    if how == "branches":
        return ["kind = Plain", f"if {private}:", "    kind = Private"]
    if how == "function":
        inner = [f"if {private}:", "    return Private", f"if {other}:", "    return Other", "return Plain"]
        return ["def chosen():", *_inside(inner), "kind = chosen()"]
    return [f"kind = Private if {private} else (Other if {other} else Plain)"]


def _inside(lines: list[str]) -> list[str]:
    return ["    " + line if line else "" for line in lines]
