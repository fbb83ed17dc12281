"""What leaves the analysis: typed records of what each private run does, and of what it works with.

``circumstances``  where something happens: place, assumptions, calls and loops on the way
``things``         numbers of the program, what makes losses
``events``         what happened, one frozen record each
"""

from dpmigrate.analysis.ledger.circumstances import Circumstances, Origin, Step, Turn
from dpmigrate.analysis.ledger.events import (
    Backward,
    Clearing,
    CoefficientAsked,
    DoubleBackward,
    Escape,
    Escaping,
    Event,
    FirstTouch,
    Happening,
    HooksSwitched,
    ItemTaken,
    Iterated,
    LengthAsked,
    LossKind,
    Manager,
    ManagerUsed,
    ResultUsed,
    Seeded,
    Stepped,
    Touching,
    Unpack,
    Wrapped,
    ZeroGrad,
)
from dpmigrate.analysis.ledger.things import UNKNOWN_AMOUNT, UNKNOWN_MAKER, Amount, Maker

__all__ = [
    "UNKNOWN_AMOUNT",
    "UNKNOWN_MAKER",
    "Amount",
    "Backward",
    "Circumstances",
    "Clearing",
    "CoefficientAsked",
    "DoubleBackward",
    "Escape",
    "Escaping",
    "Event",
    "FirstTouch",
    "Happening",
    "HooksSwitched",
    "ItemTaken",
    "Iterated",
    "LengthAsked",
    "LossKind",
    "Maker",
    "Manager",
    "ManagerUsed",
    "Origin",
    "ResultUsed",
    "Seeded",
    "Step",
    "Stepped",
    "Touching",
    "Turn",
    "Unpack",
    "Wrapped",
    "ZeroGrad",
]
