"""What leaves the analysis: typed records of what each private run does, and of what it works with.

``circumstances``   where something happens: place, assumptions, calls and loops on the way
``things``       numbers of the program, what makes losses
``objects``, ``models``   arguments, and the loaders, generators, engines, criteria, models that they are
``events``       what happened, one frozen record each; and of what it happened to:
``gradients``, ``optimizing``   gradients, parameters and steps; ``reductions``: how losses become one number
``sampling``, ``accounting``, ``checkpoints``   batches, what is asked of an accountant, weights in files
``runs``         one private run with all of it
``expressions``, ``retired``   what each expression was seen to be; what a release has dropped
``analysed``     the program: components with their runs

Rules, fixes and reports see the analysis through this alone (and ``source.modules`` and ``source.tree``).
"""

from dpmigrate.analysis.guards import ALWAYS, Guard, contradict
from dpmigrate.analysis.guards import Literal as Assumption
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
    HandedOnWhole,
    Happening,
    HooksRemoved,
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
from dpmigrate.analysis.ledger.objects import (
    NOT_GIVEN,
    OF_CONSTANTS,
    OF_SETTINGS,
    Constant,
    Criterion,
    Engine,
    Generator,
    GeneratorState,
    Given,
    Loader,
    Member,
    Missing,
    Model,
    Open,
    Optimizer,
    Option,
    Several,
    Thing,
    What,
)
from dpmigrate.analysis.ledger.runs import ASSIGNED_GENERATOR, MadeBy, PrivateRun
from dpmigrate.analysis.ledger.things import UNKNOWN_AMOUNT, UNKNOWN_MAKER, Amount, Maker

__all__ = [
    "ALWAYS",
    "ASSIGNED_GENERATOR",
    "NOT_GIVEN",
    "OF_CONSTANTS",
    "OF_SETTINGS",
    "UNKNOWN_AMOUNT",
    "UNKNOWN_MAKER",
    "Amount",
    "Assumption",
    "Backward",
    "Circumstances",
    "Clearing",
    "CoefficientAsked",
    "Constant",
    "Criterion",
    "DoubleBackward",
    "Engine",
    "Escape",
    "Escaping",
    "Event",
    "FirstTouch",
    "Generator",
    "GeneratorState",
    "Given",
    "Guard",
    "HandedOnWhole",
    "Happening",
    "HooksRemoved",
    "HooksSwitched",
    "ItemTaken",
    "Iterated",
    "LengthAsked",
    "Loader",
    "LossKind",
    "MadeBy",
    "Maker",
    "Manager",
    "ManagerUsed",
    "Member",
    "Missing",
    "Model",
    "Open",
    "Optimizer",
    "Option",
    "Origin",
    "PrivateRun",
    "ResultUsed",
    "Seeded",
    "Several",
    "Step",
    "Stepped",
    "Thing",
    "Touching",
    "Turn",
    "Unpack",
    "What",
    "Wrapped",
    "ZeroGrad",
    "contradict",
]
