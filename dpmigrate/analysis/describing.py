"""From the interpreter's values to the words of the ledger."""

from __future__ import annotations

from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj, Unknown
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.ledger import UNKNOWN_AMOUNT, UNKNOWN_MAKER, Amount, Maker
from dpmigrate.analysis.loss_functions import LOSS_FUNCTIONS


def amount_of(value: Value) -> Amount:
    """A value that should be a number."""
    atom = value.only
    if atom is None:
        return UNKNOWN_AMOUNT
    if isinstance(atom, Const):
        return Amount(atom, float(atom.value) if isinstance(atom.value, (int, float)) else None)
    length = atom.symbol if isinstance(atom, Unknown) else None
    if isinstance(length, tuple) and len(length) == 2 and length[0] == "len":
        return Amount(atom, length_of=length[1])
    return Amount(atom)


def maker_of(atom: Atom | None) -> Maker:
    """What made a loss."""
    if isinstance(atom, External):
        is_loss_function = atom.name.rpartition(".")[2] in LOSS_FUNCTIONS
        return Maker("loss-function" if is_loss_function else "library", atom.name, atom)
    if not isinstance(atom, Obj):
        return UNKNOWN_MAKER
    if atom.kind == "criterion":
        return Maker("criterion", str(atom.data or ""), atom)
    if atom.kind == "dp-criterion":
        return Maker("dp-criterion", key=atom)
    if atom.kind in ("model", "dp-model"):
        return Maker("model", key=atom)
    if atom.kind == "instance":
        return Maker("class", atom.data.node.name.value, atom)
    return UNKNOWN_MAKER
