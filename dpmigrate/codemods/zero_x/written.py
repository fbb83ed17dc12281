"""What a 0.x engine becomes, as code: the engine of today, its loader, the call of ``make_private``."""

from __future__ import annotations

from typing import Protocol

import libcst as cst

from dpmigrate.analysis.ledger import Constant
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelling
from dpmigrate.codemods.program.facts import Facts

_TO_MAKE_PRIVATE = ("noise_multiplier", "max_grad_norm", "batch_first", "loss_reduction")
DEFAULT_DELTA = "1e-6"
LINE = 100


class WrittenEngine(Protocol):
    """What is known of an engine where its code is written."""

    facts: Facts
    edits: ProjectEdits
    module: ModuleInfo
    made: cst.Call
    given: dict[str, cst.BaseExpression]
    remarks: dict[str, tuple[list[str], str]]
    model: str
    optimizer: str
    logical_size: str

    def withheld(self, reason: str) -> Withheld:
        """Why it is left alone."""

    def refuse_rebound(self, value: cst.BaseExpression) -> None:
        """Raises `Withheld` for an argument that would be read when it is another."""


class Written:
    """The code for one engine."""

    def __init__(self, engine: WrittenEngine) -> None:
        self.engine = engine

    def enlarged(self, loader: str) -> str:
        """The same loader with logical batches: all of it that make_private goes by."""
        text, needed = spelling(self.engine.module.tree, "torch.utils.data", "DataLoader")
        if needed is not None:
            text = "DataLoader"
            self.engine.edits.of(self.engine.module).need_import("from torch.utils.data import DataLoader")
        taken = ("num_workers", "collate_fn", "pin_memory", "drop_last")
        rest = "".join(f"    {name}={loader}.{name},\n" for name in taken)
        return (
            f"{loader} = {text}(\n    {loader}.dataset,\n    batch_size={self.engine.logical_size},\n{rest})"
        )

    def new_engine(self) -> str:
        secure = self.engine.given.get("secure_mode") or self.engine.given.get("secure_rng")
        text = f'{self.engine.facts.code(self.engine.made.func).strip()}(accountant="rdp"'
        if secure is not None and code_of(secure) != "False":
            text += f", secure_mode={code_of(secure)}"
        return text + ")"

    def call(self, engine: str, loader: str) -> str:
        method = "make_private"
        arguments = {"module": self.engine.model, "optimizer": self.engine.optimizer, "data_loader": loader}
        names = [n for n in _TO_MAKE_PRIVATE if n in self.engine.given]
        if "noise_multiplier" not in self.engine.given or self._is_none("noise_multiplier"):
            method = "make_private_with_epsilon"
            names = [
                "target_epsilon",
                "target_delta",
                "epochs",
                *(n for n in names if n != "noise_multiplier"),
            ]
            if {"target_epsilon", "epochs"} - set(self.engine.given):
                raise self.engine.withheld(
                    "this engine is given neither noise_multiplier nor both target_epsilon and epochs: give "
                    "make_private the one, or make_private_with_epsilon the others"
                )
        for name in names:
            value = self.engine.given.get(name)
            arguments[name] = code_of(value) if value is not None else DEFAULT_DELTA
            if value is not None:
                self.engine.refuse_rebound(value)
        if "noise_multiplier" in names and self._may_be_none("noise_multiplier"):
            arguments["noise_multiplier"] = self._noise_or_epsilon(loader)
        parts = [f"{name}={text}" for name, text in arguments.items()]
        remarks = [self.engine.remarks.get(name, ([], "")) for name in arguments]
        code = f"{engine}.{method}({', '.join(parts)})"
        if len(code) + 40 > LINE or any(above or behind for above, behind in remarks):
            lines = [
                "".join(f"    {comment}\n" for comment in above) + f"    {part},  {behind}".rstrip() + "\n"
                for part, (above, behind) in zip(parts, remarks, strict=True)
            ]
            code = f"{engine}.{method}(\n{''.join(lines)})"
        return code

    def _is_none(self, name: str) -> bool:
        value = self.engine.given.get(name)
        return isinstance(value, cst.Name) and value.value == "None"

    def _may_be_none(self, name: str) -> bool:
        """Whether 0.x may have gone by the target epsilon in its place: both are given."""
        value = self.engine.given.get(name)
        is_known = value is not None and self.engine.facts.knows(value)
        held = self.engine.facts.held(value) if value is not None and is_known else []
        numbers = bool(held) and all(isinstance(w, Constant) and w.value is not None for w in held)
        chosen = isinstance(value, (cst.Name, cst.Attribute, cst.Subscript)) and not numbers
        return chosen and {"target_epsilon", "epochs"} <= set(self.engine.given)

    def _noise_or_epsilon(self, loader: str) -> str:
        """The noise multiplier, or where it is None the one that the target epsilon takes."""
        text, needed = spelling(self.engine.module.tree, "opacus.accountants.utils", "get_noise_multiplier")
        if needed is not None:
            text = "get_noise_multiplier"
            self.engine.edits.of(self.engine.module).need_import(
                f"from opacus.accountants.utils import {text}"
            )
        noise, epsilon, epochs = (
            code_of(self.engine.given[name]) for name in ("noise_multiplier", "target_epsilon", "epochs")
        )
        delta = (
            code_of(self.engine.given["target_delta"])
            if "target_delta" in self.engine.given
            else DEFAULT_DELTA
        )
        asked = (
            f"target_epsilon={epsilon}, target_delta={delta}, sample_rate=1 / len({loader}), "
            f'epochs={epochs}, accountant="rdp"'
        )
        return f"{noise} if {noise} is not None else {text}({asked})"


def code_of(node: cst.BaseExpression) -> str:
    """The text of an expression, also of one that no module holds."""
    return cst.Module([]).code_for_node(node).strip()
