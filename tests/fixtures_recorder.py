"""Run training projects on the Opacus of this process and record what receives the noise.

Started by ``tests/fixtures_support.py`` as ``python -m tests.fixtures_recorder``, once for each release. It
reads jobs from standard input, one JSON list of command-line arguments a line, and forks for each: torch and
Opacus are imported once, and no job sees what another did to them. By hand, one job::

    python -m tests.fixtures_recorder --project DIR --script train.py --out record.json [options] -- ARGS

Every logical step records ``summed_grad`` (what the noise is added to), the logical batch that went into
it and, for the first steps, the clipped sum of plain per-example autograd on that batch (the oracle). The
draw of the noise still happens, so that the random stream goes on as it would, but nothing is added, unless
``--keep-noise`` is given. With ``--hooks`` the script runs a second time in which every ghost call of an
engine becomes a hooks call that returns the same number of objects: its own reference.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import json
import math
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import opacus
import torch
from opacus import GradSampleModule, PrivacyEngine
from opacus.grad_sample.gsm_base import AbstractGradSampleModule
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from torch import Tensor, nn
from torch.utils.data import dataloader
from torch.utils.data._utils import fetch

from tests.fixtures_figures import Figures, watch_changes
from tests.fixtures_support import numbers
from tests.runtime.plain_oracle import clipped_sum

Loss = Callable[[nn.Module, Any], Tensor]

EPSILONS: dict[tuple[str, str, float], float] = {}
"""What the accountant has already worked out; half the time of a run in hooks mode would go into it again."""


def cross_entropy(model: nn.Module, batch: Any) -> Tensor:
    """The loss of most fixtures: one cross-entropy per example, ``[B]``, of a batch (input, target)."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


class Recorder:
    """What one run of a script did, step by step."""

    def __init__(self, loss: Loss, oracle_steps: int, keep_noise: bool) -> None:
        self.loss = loss
        self.oracle_steps = oracle_steps
        self.keep_noise = keep_noise
        self.sums: list[Tensor] = []
        self.oracle_errors: list[float] = []
        self.norms_over_bound: list[float] = []
        self.noise: list[str] = []
        self.batches: list[str] = []
        self.bounds: list[float] = []
        self.physical: list[int] = []
        self.figures = Figures()
        self._last_batch: Any = None
        self._last_loader: Any = None
        self._pending: list[Any] = []
        self._model: Any = None

    def saw_batch(self, batch: Any, loader: Any) -> None:
        """A loader handed out a physical batch."""
        self._last_batch, self._last_loader = batch, loader

    def saw_forward(self, model: Any) -> None:
        """The wrapped model ran forward on the batch seen last, with gradients."""
        self._pending.append(self._last_batch)
        self._model = model
        self.figures.saw_training(self._last_loader)

    def saw_noise(self, noise: Tensor) -> Tensor:
        """Noise was drawn for one parameter; returns what is added in its place."""
        self.noise.append(_digest(noise))
        self.figures.saw_noise(self.noise[-1])
        return noise if self.keep_noise else torch.zeros_like(noise)

    def saw_step(self, optimizer: Any) -> None:
        """An optimizer is about to add noise: a logical step."""
        total = torch.cat([p.summed_grad.detach().reshape(-1).double() for p in optimizer.params])
        batches, self._pending = self._pending, []
        self.figures.saw_sum(total, sum(len(next(_tensors(batch))) for batch in batches))
        bound = float(optimizer.max_grad_norm)
        if len(self.sums) < self.oracle_steps:
            self.oracle_errors.append(self._oracle_error(total, batches, bound))
        self.sums.append(total)
        self.bounds.append(bound)
        self.physical.append(len(batches))
        self.batches.append(_digest(*(t for batch in batches for t in _tensors(batch))))

    def _oracle_error(self, total: Tensor, batches: list[Any], bound: float) -> float:
        """Relative L2 distance of the recorded sum from the oracle's, over the same logical batch."""
        self._model.disable_hooks()
        try:
            expected = torch.zeros_like(total)
            for batch in batches:
                if len(next(_tensors(batch))):
                    one = clipped_sum(self._model._module, None, batch, max_grad_norm=bound, loss=self.loss)
                    if one.flat().shape != total.shape:
                        return math.inf  # the model trains parameters that the private optimizer has not
                    expected += one.flat()
        finally:
            self._model.enable_hooks()
        self.norms_over_bound.append(float(total.norm() / bound))
        return float((total - expected).norm() / (expected.norm() or 1.0))


def _tensors(batch: Any) -> Iterator[Tensor]:
    for value in batch.values() if isinstance(batch, dict) else batch:
        if isinstance(value, Tensor):
            yield value


def _digest(*tensors: Tensor) -> str:
    state = hashlib.sha256()
    for tensor in tensors:
        state.update(tensor.detach().contiguous().numpy().tobytes())
    return state.hexdigest()[:16]


@contextmanager
def recording(recorder: Recorder, mode: str | None) -> Iterator[None]:
    """Put the recorder into Opacus and torch for the time of one run."""
    undo: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, wrap(getattr(owner, name)))

    def next_batch(original: Any) -> Any:
        def run(self: Any) -> Any:
            batch = original(self)
            recorder.saw_batch(batch, self._recorded_loader)
            return batch

        return run

    def begin_loader(original: Any) -> Any:
        def run(self: Any, loader: Any) -> None:
            self._recorded_loader = loader
            original(self, loader)

        return run

    def fetch_records(original: Any) -> Any:
        def run(self: Any, positions: Any) -> Any:
            recorder.figures.saw_fetch(self.dataset, positions)
            return original(self, positions)

        return run

    def make_engine(original: Any) -> Any:
        def run(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            recorder.figures.engines.append(self)

        return run

    def with_epsilon(original: Any) -> Any:
        def run(self: Any, **kwargs: Any) -> Any:
            recorder.figures.saw_make_private(self, kwargs["data_loader"])
            recorder.figures.saw_target(kwargs["target_epsilon"], kwargs["target_delta"])
            return original(self, **kwargs)

        return run

    def step(original: Any) -> Any:
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            recorder.figures.begins_step(self)
            try:
                return original(self, *args, **kwargs)
            finally:
                recorder.figures.ends_step()

        return run

    def clip(original: Any) -> Any:
        def run(self: Any) -> Any:
            recorder.figures.saw_gradients(self)
            return original(self)

        return run

    def forward(original: Any) -> Any:
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            if self.training and torch.is_grad_enabled():
                recorder.saw_forward(self)
            return original(self, *args, **kwargs)

        return run

    def add_noise(original: Any) -> Any:
        def run(self: Any) -> Any:
            recorder.saw_step(self)
            return original(self)

        return run

    def generate(original: Any) -> Any:
        return lambda *args, **kwargs: recorder.saw_noise(original(*args, **kwargs))

    def make_private(original: Any) -> Any:
        def run(self: Any, **kwargs: Any) -> Any:
            recorder.figures.saw_make_private(self, kwargs["data_loader"], kwargs.get("noise_multiplier"))
            if mode != "hooks" or "ghost" not in kwargs.get("grad_sample_mode", "hooks"):
                return original(self, **kwargs)
            kwargs["grad_sample_mode"] = "hooks"
            criterion = kwargs.get("criterion") or nn.CrossEntropyLoss()
            model, optimizer, loader = original(self, **kwargs)
            return model, optimizer, criterion, loader

        return run

    def get_epsilon(original: Any) -> Any:
        def run(self: Any, delta: float) -> float:
            recorder.figures.saw_delta(delta)
            key = (type(self.accountant).__name__, repr(self.accountant.history), delta)
            if key not in EPSILONS:
                EPSILONS[key] = original(self, delta)
            recorder.figures.saw_epsilon(EPSILONS[key])
            return EPSILONS[key]

        return run

    replace(PrivacyEngine, "get_epsilon", get_epsilon)
    replace(dataloader._BaseDataLoaderIter, "__next__", next_batch)
    replace(dataloader._BaseDataLoaderIter, "__init__", begin_loader)
    replace(fetch._MapDatasetFetcher, "fetch", fetch_records)
    replace(PrivacyEngine, "__init__", make_engine)
    replace(PrivacyEngine, "make_private", make_private)
    replace(PrivacyEngine, "make_private_with_epsilon", with_epsilon)
    replace(DPOptimizer, "step", step)
    replace(DPOptimizer, "clip_and_accumulate", clip)
    changes = watch_changes(recorder.figures)
    for owner in (AbstractGradSampleModule, GradSampleModule):
        if "forward" in vars(owner):
            replace(owner, "forward", forward)
    for owner in (DPOptimizer, DPOptimizerFastGradientClipping):
        if "add_noise" in vars(owner):  # else it is inherited, and one wrapper around it is enough
            replace(owner, "add_noise", add_noise)
            replace(sys.modules[owner.__module__], "_generate_noise", generate)
    try:
        yield
    finally:
        changes.remove()
        for owner, name, original in reversed(undo):
            setattr(owner, name, original)


def run_script(project: Path, script: str, arguments: list[str]) -> str:
    """Run a script, a notebook's code cells, or ``-m module`` of the project; what it prints is returned."""
    before = set(sys.modules)
    # A script's own folder is on the path when Python starts it.
    added = [str(project), *({str((project / script).parent)} - {str(project)})]
    sys.path[:0] = added
    sys.argv = [script, *arguments]
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            if script.endswith(".ipynb"):
                source = "\n".join(notebook_code(project / script))
                exec(compile(source, script, "exec"), {"__name__": "__main__"})
            elif script.endswith(".py"):
                runpy.run_path(str(project / script), run_name="__main__")
            else:
                runpy.run_module(script, run_name="__main__", alter_sys=True)
    finally:
        for folder in added:
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(project)):
                del sys.modules[name]
    return printed.getvalue()


def notebook_code(path: Path) -> Iterator[str]:
    """The Python of every code cell; shell and magic lines are left out."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            yield "\n".join(line for line in lines if not line.lstrip().startswith(("!", "%")))


def load_loss(path: Path) -> Loss:
    """``loss(model, batch) -> Tensor[B]`` of a fixture's ``oracle.py``; cross-entropy where it has none."""
    if not path.is_file():
        return cross_entropy
    spec = importlib.util.spec_from_file_location("fixture_oracle", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Loss = module.loss
    return found


def record(options: argparse.Namespace, mode: str | None) -> tuple[dict[str, Any], Recorder]:
    """Run once and describe the run as plain data."""
    recorder = Recorder(load_loss(options.oracle), options.oracle_steps, options.keep_noise)
    if options.seed is not None:
        torch.manual_seed(options.seed)
    outcome: dict[str, Any] = {"mode": mode or "as written", "error": None, "message": None, "printed": ""}
    with recording(recorder, mode):
        try:
            outcome["printed"] = run_script(options.project, options.script, options.arguments)
        except Exception as error:  # the outcome of the script under test is the result, whatever it is
            outcome |= {"error": type(error).__name__, "message": str(error)}
    outcome |= {
        "steps": len(recorder.sums),
        "physical": recorder.physical,
        "bounds": recorder.bounds,
        "oracle_errors": recorder.oracle_errors,
        "sum_norms_over_bound": recorder.norms_over_bound,
        "noise": recorder.noise[:4],
        "batches": recorder.batches[:4],
        "figures": recorder.figures.account(numbers(outcome["printed"])),
    }
    return outcome, recorder


def run_job(argv: list[str]) -> None:
    """Record one run as written, and one in hooks mode beside it when asked; write both as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--script", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--oracle", type=Path, default=Path("oracle.py"))
    parser.add_argument("--oracle-steps", type=int, default=2)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--hooks", action="store_true", help="run a second time in hooks mode and compare")
    parser.add_argument("--keep-noise", action="store_true")
    parser.add_argument("--timeout", type=int, default=120, help="seconds of wall time")
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args(argv)
    signal.alarm(options.timeout)
    os.chdir(options.project)
    if options.seed is None:
        torch.seed()  # what the start of a process does; a forked one has the random state of its parent
    result: dict[str, Any] = {"opacus": opacus.__version__, "hooks": None, "hooks_errors": []}
    result["run"], written = record(options, None)
    if options.hooks:
        result["hooks"], hooks = record(options, "hooks")
        result["hooks_errors"] = [
            float((a - b).norm() / b.norm()) for a, b in zip(written.sums, hooks.sums, strict=False)
        ]
    options.out.write_text(json.dumps(result), encoding="utf-8")


def serve() -> None:
    """Fork for every job on standard input; answer its exit status on standard output, in order."""
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # imports a good part of torch, once for all jobs
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run_job(json.loads(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, outcome = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(outcome), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:]:
        run_job(sys.argv[1:])
    else:
        serve()
