"""What a training program does, seen by stand-ins for torch and Opacus that it is run with."""

from __future__ import annotations

import itertools
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


@dataclass
class Seen:
    """What one execution did with a run in ghost mode."""

    modes: set[str] = field(default_factory=set)
    unwrapped: bool = False
    wrapped: bool = False
    managed: bool = False
    without_criterion: bool = False
    first_touches: set[str] = field(default_factory=set)
    """What first touches the gradients after a step: none (set to it), inplace or backward."""
    noise: set[str] = field(default_factory=set)
    """How the generators of the noise are seeded, in the words of reports."""
    trace: list[tuple[str, ...]] = field(default_factory=list)
    """Each backward pass (over what, of which model) and each step, in order."""
    over_private: bool = False
    """Whether the loop that is being run goes over a loader that an engine returned."""
    on_passed_loader: bool = False
    """Whether a loss of the private model went backward in a loop over another loader than that."""
    passed_optimizer_stepped: bool = False
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
        with replaced_modules(_modules(Namespace(a=a, b=b, n=n), seen)):
            try:
                exec(code, {"__name__": "__main__"})
            except (ValueError, TypeError, AttributeError, LookupError, NameError, RuntimeError) as error:
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
    class Gradients:
        stepped = False

        def touch(self, how: str) -> None:
            if self.stepped:
                seen.first_touches.add(how)
            self.stepped = False

    class Parameter:
        def __init__(self, gradients: Gradients) -> None:
            self.__dict__["gradients"] = gradients

        def __setattr__(self, name: str, value: Any) -> None:
            self.gradients.touch("none" if value is None else "inplace")

    class Model:
        ghost = False

        def __init__(self, *_: Any) -> None:
            self.gradients: Gradients | None = None

        def parameters(self) -> list[Any]:
            return [Parameter(self.gradients)] if self.gradients else []

        def zero_grad(self, set_to_none: bool = False) -> None:
            if self.gradients:
                self.gradients.touch("none" if set_to_none else "inplace")

        def __call__(self, x: Any) -> Any:
            return _Anything(model=self)

    class Criterion:
        wrapped = False

        def __call__(self, output: Any, target: Any) -> Any:
            return Loss(output.model, self.wrapped)

    class Loss:
        def __init__(self, model: Model, wrapped: bool, scale: float = 1) -> None:
            self.model, self.wrapped, self.scale = model, wrapped, scale

        def __truediv__(self, other: Any) -> Loss:
            return Loss(self.model, self.wrapped, self.scale / other)

        def backward(self) -> None:
            seen.trace.append(("backward", "private" if self.model.gradients else "plain", str(self.scale)))
            if self.model.gradients:
                self.model.gradients.touch("backward")
                seen.on_passed_loader |= not seen.over_private
            if self.model.ghost:
                seen.wrapped |= self.wrapped
                seen.unwrapped |= not self.wrapped

    class Optimizer(_Anything):
        ghost = False
        gradients: Gradients | None
        passed: bool

        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__(gradients=None, passed=False)

        def step(self) -> None:
            seen.trace.append(("step", "private" if self.gradients else "plain"))
            seen.passed_optimizer_stepped |= self.passed
            if self.gradients:
                self.gradients.stepped = True

        def zero_grad(self, set_to_none: bool = False) -> None:
            if self.gradients:
                self.gradients.touch("none" if set_to_none else "inplace")

    class Generator:
        state = "unseeded"

        def manual_seed(self, seed: int) -> None:
            self.state = "seeded"

    class Loader(list[Any]):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__([(0, 0)] * 3)
            self.private = False

        def __iter__(self) -> Iterator[Any]:
            for batch in super().__iter__():
                seen.over_private = self.private
                yield batch

    class PrivacyEngine:
        def make_private(self, *, criterion: Any = None, noise_generator: Any = None, **rest: Any) -> Any:
            mode = rest["grad_sample_mode"]
            seen.modes.add(mode)
            seen.noise.add(noise_generator.state if noise_generator else "none")
            seen.without_criterion |= mode == "ghost" and criterion is None
            made, optimizer, loader = Model(), Optimizer(), Loader()
            made.gradients = optimizer.gradients = Gradients()
            rest["optimizer"].passed = loader.private = True
            if mode != "ghost":
                return made, optimizer, loader
            made.ghost = optimizer.ghost = True
            given = Criterion()
            given.wrapped = True
            return made, optimizer, given, loader

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
        "torch": {
            "nn": nn,
            "optim": optim,
            "utils": utils,
            "manual_seed": lambda seed: None,
            "Generator": Generator,
        },
        "opacus": {"PrivacyEngine": PrivacyEngine},
        "opacus.utils": {},
        "opacus.utils.batch_memory_manager": {"BatchMemoryManager": manager},
    }


@contextmanager
def replaced_modules(modules: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Modules of these names and members in place of what an import would find."""
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
