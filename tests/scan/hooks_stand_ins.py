"""What a private program does wrong, seen by stand-ins for torch and Opacus."""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.scan.stand_ins import replaced_modules


@dataclass
class Committed:
    """What one execution of a program committed, by rules, and whether it made a private run."""

    private: bool = False
    rules: set[str] = field(default_factory=set)


def committed(program: str) -> Iterator[Committed]:
    """What each execution of a program commits, for every choice of its arguments."""
    code = compile(program, "train.py", "exec")
    for a, b, n in itertools.product((False, True), (False, True), (1, 2, 3)):
        seen = Committed()
        with replaced_modules(_modules(Namespace(a=a, b=b, n=n), seen)):
            exec(code, {"__name__": "__main__"})
        yield seen


class _Anything:
    """A stand-in that is called and asked for anything."""

    def __init__(self, *_: Any, **known: Any) -> None:
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        return _Anything()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return _Anything()


class _Batch:
    """The tensor of a batch of some examples."""

    def __init__(self, size: int) -> None:
        self.shape = (size, 4)

    def __len__(self) -> int:
        return self.shape[0]


class _Term:
    """A number made of parameters alone, and whatever is computed with it."""

    def __add__(self, other: Any) -> Any:
        return self

    __radd__ = __mul__ = __rmul__ = __pow__ = __add__

    def sum(self) -> _Term:
        return self


def _modules(arguments: Namespace, seen: Committed) -> dict[str, dict[str, Any]]:
    engines: list[Any] = []

    class Model:
        run: Any = None

        def __init__(self, *_: Any) -> None: ...

        def parameters(self) -> list[Any]:
            return [Parameter(self.run)]

        def __call__(self, x: Any) -> Any:
            return _Anything(model=self)

    class Parameter(_Term):
        def __init__(self, run: Any) -> None:
            self.run = run

    class Loss:
        def __init__(self, model: Model, penalised: bool = False) -> None:
            self.model, self.penalised = model, penalised

        def __add__(self, other: Any) -> Loss:
            return Loss(self.model, self.penalised or isinstance(other, _Term))

        def backward(self) -> None:
            run = self.model.run
            if run is not None:
                run.waiting, run.changed, run.passes = True, False, run.passes + 1
                seen.rules |= {"DPM122"} if self.penalised else set()
                seen.rules |= {"DPM301"} if not run.over_private else set()

    class Optimizer:
        run: Any = None
        passed = False

        def __init__(self, *_: Any, **__: Any) -> None: ...

        def zero_grad(self) -> None: ...

        def step(self) -> None:
            if self.run is not None:
                seen.rules |= {"DPM109"} if self.run.changed else set()
                seen.rules |= {"DPM106"} if self.run.passes > 1 else set()
                self.run.waiting, self.run.steps, self.run.passes = False, self.run.steps + 1, 0
            elif self.passed:
                seen.rules.add("DPM120")

    class Loader:
        def __init__(self, *_: Any, sampler: Any = None, **__: Any) -> None:
            self.sampler, self.run, self.passed_to = sampler, None, None

        def __iter__(self) -> Iterator[Any]:
            for size in (3, 0, 3):
                for run in (self.run, self.passed_to):
                    if run is not None:
                        run.over_private = run is self.run
                yield _Batch(size), _Batch(size)

    class PrivacyEngine:
        def make_private(
            self, *, module: Any, optimizer: Any, data_loader: Any, criterion: Any = None, **_: Any
        ) -> Any:
            seen.private = True
            run = _Anything(waiting=False, changed=False, over_private=False, steps=0, passes=0)
            made, stepping, loader = Model(), Optimizer(), Loader()
            made.run = stepping.run = loader.run = data_loader.passed_to = run
            optimizer.passed = True
            seen.rules |= {"DPM303"} if data_loader.sampler is not None else set()
            engines.extend([self] if self not in engines else [])
            return (made, stepping, loader) if criterion is None else (made, stepping, criterion, loader)

        def get_epsilon(self, delta: float) -> float:
            seen.rules |= {"DPM304"} if len(engines) > 1 else set()
            return 1.0

    @contextmanager
    def manager(*, data_loader: Any, optimizer: Any, **_: Any) -> Iterator[Any]:
        def batches() -> Iterator[Any]:
            for batch in data_loader:
                before = optimizer.run.steps
                yield batch
                seen.rules |= {"DPM302"} if optimizer.run.steps == before else set()

        yield batches()

    def clip(parameters: list[Parameter], limit: float) -> None:
        for parameter in parameters:
            if parameter.run is not None and parameter.run.waiting:
                parameter.run.changed = True

    class ArgumentParser(_Anything):
        def parse_args(self) -> Namespace:
            return arguments

    def cross_entropy(output: Any, target: Any) -> Loss:
        return Loss(output.model)

    functional = _Anything(cross_entropy=cross_entropy)
    nn = _Anything(
        Linear=Model,
        CrossEntropyLoss=lambda: cross_entropy,
        functional=functional,
        utils=_Anything(clip_grad_norm_=clip),
    )
    data = {"DataLoader": Loader, "TensorDataset": _Anything, "WeightedRandomSampler": _Anything}
    return {
        "argparse": {"ArgumentParser": ArgumentParser},
        "torch": {"nn": nn, "optim": _Anything(SGD=Optimizer), "randn": lambda *_: _Anything()},
        "torch.utils": {},
        "torch.utils.data": data,
        "opacus": {"PrivacyEngine": PrivacyEngine},
        "opacus.utils": {},
        "opacus.utils.batch_memory_manager": {"BatchMemoryManager": manager},
    }
