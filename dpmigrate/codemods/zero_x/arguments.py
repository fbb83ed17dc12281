"""The arguments of a 0.x engine: by name, without what 0.x took and did nothing with."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import libcst as cst

from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.listed import comments_of
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.assignments import homes_in, target_texts
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.zero_x.loader import values_of

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
    """What an engine is given, and the comments above and after each argument."""

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
    norm = read.given.get("max_grad_norm")
    if norm is not None and any(_is_a_list(value) for value in values_of(facts, norm)):
        raise withheld(
            "max_grad_norm of this engine is a list, one norm for each parameter: give make_private "
            'clipping="per_layer" beside it'
        )
    return read


def _is_a_list(value: cst.BaseExpression) -> bool:
    if isinstance(value, cst.BinaryOperation):
        return _is_a_list(value.left) or _is_a_list(value.right)
    made = isinstance(value, cst.Call) and name_of(value.func) in ("list", "tuple", "sorted")
    return made or isinstance(value, (cst.List, cst.Tuple, cst.ListComp))


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
    entries = _entries(
        value if isinstance(value, (cst.Dict, cst.Call)) else made[0] if len(made) == 1 else None
    )
    read: list[cst.Subscript | cst.Attribute] = list(facts.own(scope, cst.Subscript))
    read += facts.own(scope, cst.Attribute)
    others = [node for node in read if facts.code(node.value).strip() == text]
    if entries is not None and not others and all(k in _IDLE or _is_plain(v) for k, v in entries):
        yield from entries
        return
    raise withheld(
        f"this engine takes arguments from **{text}, whose keys are not all seen here: write engine = "
        'PrivacyEngine(accountant="rdp"), and give noise_multiplier and max_grad_norm to engine.make_private '
        "by name"
    )


def _entries(made: cst.BaseExpression | None) -> list[tuple[str, cst.BaseExpression]] | None:
    """The entries of ``{"a": 1}`` or ``dict(a=1)``; None where a key is no literal, and of anything else."""
    if isinstance(made, cst.Call) and name_of(made.func) == "dict":
        keywords = [(a.keyword.value, a.value) for a in made.args if a.keyword is not None]
        return keywords if len(keywords) == len(made.args) else None
    if not isinstance(made, cst.Dict):
        return None
    entries = [
        (str(e.key.evaluated_value), e.value)
        for e in made.elements
        if isinstance(e, cst.DictElement) and isinstance(e.key, cst.SimpleString)
    ]
    return entries if len(entries) == len(made.elements) else None


def _is_plain(value: cst.BaseExpression) -> bool:
    """Whether an expression is the same wherever it stands: a literal."""
    try:
        ast.literal_eval(cst.Module([]).code_for_node(value))
    except (ValueError, SyntaxError):
        return False
    return True
