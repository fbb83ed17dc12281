"""The arguments of a 0.x engine: by name, without what 0.x took and did nothing with."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import libcst as cst

from dpmigrate.codemods.assignments import homes_in, target_texts
from dpmigrate.codemods.edits import Withheld
from dpmigrate.codemods.listed import comments_of
from dpmigrate.codemods.program_facts import Facts

_PLACES = ("module", "batch_size", "sample_size", "alphas", "noise_multiplier", "max_grad_norm")
"""The parameters of the constructor by position, as up to 0.12."""
_KNOWN = frozenset(
    [
        *_PLACES,
        *("sample_rate", "poisson", "target_delta", "epochs", "target_epsilon", "batch_first"),
        *("secure_mode", "secure_rng", "loss_reduction"),
    ]
)
_IDLE = frozenset(
    ["clip_per_layer", "enable_stat", "clipping_method", "clipping_ratio", "clipping_momentum", "batch_dim"]
)
"""What the constructor swallowed: read with ``experimental=True`` only, or by no release at all."""


@dataclass(frozen=True)
class Arguments:
    """What an engine is given, and the comments above and behind each argument."""

    given: dict[str, cst.BaseExpression]
    remarks: dict[str, tuple[list[str], str]]
    idle: list[str]
    """Arguments that 0.x did nothing with, in the order of the text."""


def arguments_of(facts: Facts, call: cst.Call, withheld: Callable[[str], Withheld]) -> Arguments:
    """Read the constructor. Raises `Withheld` for what has no counterpart, or cannot be read."""
    read = Arguments({}, {}, [])
    for place, arg in enumerate(call.args):
        if arg.star == "**":
            for name, value in _unpacked(facts, call, arg.value, withheld):
                _take(read, name, value, ([], ""), facts)
            continue
        if arg.star or (arg.keyword is None and place >= len(_PLACES)):
            raise withheld(
                "this engine takes its arguments from a *: write engine = "
                'PrivacyEngine(accountant="rdp"), and give noise_multiplier and max_grad_norm to '
                "engine.make_private"
            )
        name = arg.keyword.value if arg.keyword is not None else _PLACES[place]
        _take(read, name, arg.value, comments_of(call, place), facts)
    for name in read.given.keys() - _KNOWN:
        raise withheld(
            f"{name}= of this engine has no counterpart in Opacus 1.x: leave it out, and keep what it "
            "did in the loop"
        )
    if isinstance(read.given.get("max_grad_norm"), cst.List):
        raise withheld(
            "max_grad_norm of this engine is a list, one norm for each parameter: give make_private "
            'clipping="per_layer" beside it'
        )
    return read


def _take(
    read: Arguments, name: str, value: cst.BaseExpression, remarks: tuple[list[str], str], facts: Facts
) -> None:
    if name in _IDLE or (name == "experimental" and facts.code(value).strip() == "False"):
        read.idle.append(name)
    else:
        read.given[name] = value
        read.remarks[name] = remarks


def _unpacked(
    facts: Facts, call: cst.Call, value: cst.BaseExpression, withheld: Callable[[str], Withheld]
) -> Iterator[tuple[str, cst.BaseExpression]]:
    """The entries of ``**clipping``, where that is a dict of this scope written out with literals."""
    text = facts.code(value).strip()
    scope = facts.scope(call)
    made = [h.value for h in homes_in(facts, scope, own=True) if text in target_texts(facts, h)]
    entries = value if isinstance(value, cst.Dict) else made[0] if len(made) == 1 else None
    keys = _keys(entries) if isinstance(entries, cst.Dict) else []
    others = [n for n in facts.own(scope, cst.Subscript) if facts.code(n.value).strip() == text]
    if isinstance(entries, cst.Dict) and len(keys) == len(entries.elements) and not others:
        values = [e.value for e in entries.elements if isinstance(e, cst.DictElement)]
        if all(k in _IDLE or _is_plain(v) for k, v in zip(keys, values, strict=True)):
            yield from zip(keys, values, strict=True)
            return
    raise withheld(
        f"this engine takes arguments from **{text}, whose keys are not all seen here: write engine = "
        'PrivacyEngine(accountant="rdp"), and give noise_multiplier and max_grad_norm to engine.make_private '
        "by name"
    )


def _keys(entries: cst.Dict) -> list[str]:
    """The keys that are text; fewer than the entries where others are no literals."""
    keys = [e.key for e in entries.elements if isinstance(e, cst.DictElement)]
    return [str(k.evaluated_value) for k in keys if isinstance(k, cst.SimpleString)]


def _is_plain(value: cst.BaseExpression) -> bool:
    """Whether an expression is the same wherever it stands: a literal."""
    try:
        ast.literal_eval(cst.Module([]).code_for_node(value))
    except (ValueError, SyntaxError):
        return False
    return True
