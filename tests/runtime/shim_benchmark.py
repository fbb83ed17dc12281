"""What the shim of ``dpmigrate verify`` adds to a training step when it only watches.

python -m tests.runtime.shim_benchmark    (the Opacus that is installed)

The shim's own functions are timed from inside, without the originals that they call: what is left is what a
step takes longer. (Pairs of runs with and without the shim scatter by far more than it adds.)
"""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import dpmigrate.runtime.run.watching.patching as patching

STEPS = 20
WARM_UP = 2


class OwnTime:
    """Stands for `patching.wrap`: the same replacements, whose time is added up without the originals'."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._originals: list[float] = []

    def measured(self, around: Callable[..., Any]) -> Callable[..., Any]:
        """A function that adds what it takes, less what is :meth:`excluded` meanwhile, to ``seconds``."""

        @functools.wraps(around)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._originals.append(0.0)
            began = time.perf_counter()
            try:
                return around(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began - self._originals.pop()

        return timed

    def excluded(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """An original: its time is not the shim's."""

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                if self._originals:
                    self._originals[-1] += time.perf_counter() - began

        return timed

    def wrap(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Replace a method or function by ``around``, which gets the original as its first argument."""
        original = vars(owner).get(name)
        if original is None or hasattr(original, patching.MARK):
            return
        inner, own = self.excluded(original), self.measured(around)
        replacement = functools.wraps(original)(functools.partial(own, inner))
        method = functools.wraps(original)(lambda *args, **kwargs: replacement(*args, **kwargs))
        setattr(method, patching.MARK, True)
        setattr(owner, name, method)


def shares(mode: str) -> list[tuple[float, float]]:
    """(the shim's own seconds, all seconds) of each step of a million-parameter network, batch of 64."""
    own = OwnTime()
    patching.wrap_method = own.wrap
    from dpmigrate.runtime.run.watching import shim
    from dpmigrate.runtime.run.watching.state import RunSettings, Watch

    shim.wrap = own.wrap  # type: ignore[attr-defined]
    shim.Shim._forward = own.measured(shim.Shim._forward)  # type: ignore[method-assign]
    import torch
    from opacus import PrivacyEngine
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    from tests.runtime.benchmark import BATCH, network

    shim.Shim(
        Watch(RunSettings(steps=10 * STEPS, quiet=False, keep_vectors=False), lambda record: None)
    ).install()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    data = TensorDataset(torch.randn(BATCH * STEPS, 3, 32, 32), torch.randint(0, 10, (BATCH * STEPS,)))
    given = {"criterion": nn.CrossEntropyLoss()} if mode == "ghost" else {}
    model, optimizer, *rest = PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        data_loader=DataLoader(data, batch_size=BATCH),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode=mode,
        **given,
    )
    criterion = rest[0] if mode == "ghost" else nn.CrossEntropyLoss()
    found = []
    for x, y in rest[-1]:
        own.seconds, began = 0.0, time.perf_counter()
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        found.append((own.seconds, time.perf_counter() - began))
    return found[WARM_UP:]


def main() -> None:
    """Print the shim's own share of a step, by mode, each in a process of its own."""
    if len(sys.argv) == 1:
        for mode in ("hooks", "ghost"):
            subprocess.run([sys.executable, "-m", "tests.runtime.shim_benchmark", mode], check=True)
        return
    (mode,) = sys.argv[1:]
    found = shares(mode)
    each = sorted(100 * own / whole for own, whole in found)
    print(
        f"{mode}: {median(each):.2f} % of a step (at most {each[-1]:.2f} %), "
        f"{1000 * median(own for own, _ in found):.2f} of {1000 * median(w for _, w in found):.1f} ms"
    )


if __name__ == "__main__":
    main()
