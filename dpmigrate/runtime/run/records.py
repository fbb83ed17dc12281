"""What one run of the script leaves behind: engines, logical steps, physical batches, backward passes.

Vectors are flat over ``optimizer.params`` in their order; sums and norms are float64 on the CPU.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(eq=False)
class BackwardPass:
    """One backward pass through a private model with its hooks on, judged by the oracle.

    ``loss_shape``: shape of the per-example loss that Opacus's wrapped loss, or a loop that makes both passes
    by hand, reduces; None where that is not known.
    ``count``: examples B. ``norms [B]``, ``param_norms [parameters, B]`` and ``expected [P]`` (the clipped
    sum at the optimizer's max grad norm) are the oracle's, None when ``reason`` says why not.
    ``ghost_norms`` and ``ghost_param_norms`` are what Opacus clipped by (in hooks mode the latter alone).
    ``rows``: per-example gradients, kept only until the step where C may still move. ``direct``: size of the
    part of the gradient that does not pass through the model's output, relative to the whole. ``after [P]``:
    ``p.grad`` right after the second of the two passes, some of it after the steps that are judged;
    ``weights [B]``: what that pass multiplied each example by. ``first [P]``: the gradient of the first
    pass, kept in loops that make both by hand. ``share [B]``: by how much each loss should be larger, where
    padding was averaged in. ``rounding``: relative distance of the examples' gradients, added up, from the
    batch's. ``broken``: examples whose own outputs or losses hold NaN or infinity. ``stepped_bare``: the
    wrapped optimizer has used its gradient.
    """

    count: int = 0
    loss_shape: tuple[int, ...] | None = None
    norms: Tensor | None = None
    param_norms: Tensor | None = None
    expected: Tensor | None = None
    ghost_norms: Tensor | None = None
    ghost_param_norms: Tensor | None = None
    rows: Tensor | None = None
    direct: float = 0.0
    rounding: float = 0.0
    after: Tensor | None = None
    weights: Tensor | None = None
    first: Tensor | None = None
    share: Tensor | None = None
    broken: list[int] = field(default_factory=list)
    coefficient: bool = False
    stepped_bare: bool = False
    cleared: bool = False
    reason: str = ""

    def note_rows(self, rows: list[Any]) -> None:
        """Keep the norms of hooks mode's per-sample gradients, where each parameter has one an example."""
        if all(isinstance(r, Tensor) and r.shape[:1] == (self.count,) for r in rows) and self.count:
            norms = [r.detach().reshape(self.count, -1).double().norm(dim=1).cpu() for r in rows]
            self.ghost_param_norms = torch.stack(norms)


@dataclass(eq=False)
class PhysicalBatch:
    """What happened up to one ``optimizer.step()`` call; ``received [P]`` is ``p.grad`` as the
    optimizer accumulates it (None in hooks mode), ``fed`` as :class:`Release` has it,
    ``hooks_off``: Opacus's hooks were disabled then, or as the model was called; ``changed``: the rule that
    is broken where what was received is not what the second of the two passes has left."""

    backwards: list[BackwardPass] = field(default_factory=list)
    received: Tensor | None = None
    fed: str = ""
    hooks_off: bool = False
    changed: str = ""


@dataclass(eq=False)
class LogicalStep:
    """One release: ``value [P]`` receives the noise, ``handed [P]`` reaches the inner optimizer.

    ``module_norm`` is the norm that the ghost module clips at; ``scale`` is what the optimizer multiplies
    the noised sum by.
    """

    physical: list[PhysicalBatch]
    value: Tensor | None = None
    max_grad_norm: float | None = None
    module_norm: float | None = None
    handed: Tensor | None = None
    before: Tensor | None = None
    after: Tensor | None = None
    batch_digest: str = ""
    seconds: float = 0.0
    scale: float | None = None

    @property
    def backwards(self) -> list[BackwardPass]:
        """The backward passes of all its physical batches."""
        return [b for batch in self.physical for b in batch.backwards]


@dataclass(eq=False)
class Release:
    """The cheap record of a logical step, kept for every one up to the script's end.

    ``sigma`` is noise multiplier times max grad norm, as the optimizer had them. ``noise`` holds some of the
    numbers that were added to the clipped sum, in units of ``sigma``, with ``noise_std`` and
    ``noise_count`` of a larger sample; ``generator_state`` is a checksum of the noise generator before.
    ``fed``: for each physical batch "private", "other" (another loader's), "none" (a batch used before, or
    of no loader) or "" (the model was not called). ``examples`` came from the private loader.
    ``accounted``: (accountant, noise multiplier, sample rate) of what accountants were told in this step.
    ``changed`` is that of its physical batches, DPM103 where a ghost loss went backward and no clipping
    coefficient was asked for.
    ``order``: the process, and how many steps of any run it had made before. ``seed``: what the global
    generator was seeded with last.
    """

    max_grad_norm: float | None
    module_norm: float | None
    multiplier: float
    sigma: float
    noise: Tensor
    noise_std: float
    noise_count: int
    generator_state: int
    batch_digest: str = ""
    fed: list[str] = field(default_factory=list)
    examples: int = 0
    accounted: list[tuple[int, float, float]] = field(default_factory=list)
    changed: str = ""
    order: tuple[int, int] = (0, 0)
    seed: int = 0


@dataclass(eq=False)
class BareSteps:
    """Steps without clipping and noise: how many, and the first one's optimizer and place."""

    count: int = 0
    by: str = ""

    def one_more(self, optimizer: Any, place: str) -> None:
        """Count a step."""
        self.count += 1
        self.by = self.by or f"{type(optimizer).__name__} at {place}"


@dataclass(eq=False)
class EngineRecord:
    """One private training run of the script: where it was made, how, and its logical steps.

    ``averages``: loss_reduction is mean. ``per_layer``: each parameter is clipped at a bound of its own.
    ``left_out``: batches that got no step under the memory manager, ``shifted``: the steps since.
    ``own_clipping``: the optimizer's class where the project has written its clipping, else empty;
    ``own_samplers``: layers whose gradients or norms it computes itself; ``hooked``: parameters with hooks of
    the script's. ``processes`` train it together;
    ``wrapped_after``: where torch's DistributedDataParallel was put around it. ``unfollowed``: a loss went
    backward whose second pass could not be made for it. ``late`` and ``frozen``: parameters that began or
    ceased to train after the DP optimizer was made. ``precision`` is the dtype of the arithmetic (autocast's
    where it is on); ``padded``: embeddings with a ``padding_idx``, ``batch_norms``: layers that normalise by
    the batch. ``loader``: the private loader, "" where there is none, with ``loader_generator`` of the kind
    of ``generator``, ``population`` records, ``poisson`` where each batch is a Poisson sample of them (else
    ``share`` are those that it goes over, ``first_record`` a checksum if all), and those that it has
    ``first_drawn``; ``dropped_sampler``: the class of the sampler that it does not draw with;
    ``other_place``: where another loader is iterated, ``backward`` where a loss first goes backward.
    ``raw`` are steps of the wrapped optimizer, ``other`` of another one on this model, ``beside`` of one on
    parameters of other models that a loss reaches together with this one, ``before`` those on the same data
    set before it was private, ``taught`` those of other models; ``moved``: how often parameters changed
    between steps by none. ``weighted``: the loss has class weights. ``resumed``: (engine, rule) of an earlier
    run whose weights go on in this one, ``unheard``: of the last whose steps its accountant does not hold;
    ``begun``: a checksum of its first weights. ``forgotten``: steps that an accountant no longer has as told.
    ``epsilon``: what the script was told last, and at which delta. ``otherwise``: the first step whose loss
    was made in another way than those of the steps that are judged, 0 where there is none. ``later``: some
    steps behind ``steps``, by their numbers.
    """

    path: str
    line: int
    mode: str
    manual: bool
    generator: str
    names: list[str]
    sizes: list[int]
    shapes: list[tuple[int, ...]]
    dtype: str
    optimizer: str
    linear_optimizer: bool
    wrapped_api: bool
    asked_norm: float | None = None
    adaptive: bool = False
    averages: bool = True
    per_layer: bool = False
    unfollowed: bool = False
    own_clipping: str = ""
    own_samplers: list[str] = field(default_factory=list)
    hooked: list[str] = field(default_factory=list)
    left_out: int = 0
    shifted: int = 0
    late: list[str] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)
    precision: str = ""
    padded: list[str] = field(default_factory=list)
    batch_norms: list[str] = field(default_factory=list)
    loader: str = ""
    loader_generator: str = ""
    first_drawn: list[int] = field(default_factory=list)
    dropped_sampler: str = ""
    backward: str = ""
    poisson: bool = True
    population: int | None = None
    share: int | None = None
    first_record: int = 0
    asked_multiplier: float | None = None
    asked_delta: float | None = None
    epsilon: tuple[float, float] | None = None
    other_place: str = ""
    adds_noise: bool = True
    processes: int = 1
    wrapped_after: str = ""
    raw: BareSteps = field(default_factory=BareSteps)
    other: BareSteps = field(default_factory=BareSteps)
    beside: BareSteps = field(default_factory=BareSteps)
    before: BareSteps = field(default_factory=BareSteps)
    before_rule: str = ""
    taught: BareSteps = field(default_factory=BareSteps)
    moved: int = 0
    weighted: bool = False
    resumed: tuple[int, str] | None = None
    unheard: tuple[int, str] | None = None
    begun: int = 0
    forgotten: int = 0
    otherwise: int = 0
    steps: list[LogicalStep] = field(default_factory=list)
    later: dict[int, LogicalStep] = field(default_factory=dict)
    releases: list[Release] = field(default_factory=list)

    @property
    def steps_without_noise(self) -> int:
        """The steps that trained this model and were none of its private optimizer."""
        return self.raw.count + self.other.count


@dataclass(eq=False)
class RunRecord:
    """One run of the script. ``outcome``: "stopped", "ended", "exited", "raised" or "timed out".
    ``accountants``: the mechanism of each that the process made. ``elsewhere``: the folder of another Opacus
    that the script imports. ``sharded``: parameters are spread over processes. ``compiled``: where
    torch.compile was first called, which was left out. ``torch_modules``: what it has imported of torch.
    ``advice``: what to do about ``error``, where that is known. ``started``: another program that it ran."""

    outcome: str = "ended"
    error: str = ""
    gpu: bool = False
    exit_code: int = 0
    engines: list[EngineRecord] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    positions: list[list[int]] = field(default_factory=list)
    rank: int = 0
    world: int = 1
    peak_bytes: int = 0
    accountants: list[str] = field(default_factory=list)
    elsewhere: str = ""
    sharded: bool = False
    compiled: str = ""
    torch_modules: list[str] = field(default_factory=list)
    advice: str = ""
    started: str = ""
    removal: Any = None
    audit: Any = None

    def save(self, path: Path) -> None:
        """Store by torch.save; the file appears whole or not at all."""
        # Under another beginning, so that nobody who looks for records finds it.
        partial = path.with_name(f"partial-{path.name}")
        torch.save(self, partial)
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> RunRecord:
        """What :meth:`save` stored. Nothing but records, tensors and plain values is made of a file."""
        with torch.serialization.safe_globals(_storable()):
            record = torch.load(path, weights_only=True)
        assert isinstance(record, RunRecord)
        return record


@cache
def _storable() -> list[Any]:
    """The classes that a record may be made of: our own dataclasses, and NumPy's scalars."""
    classes: list[Any] = []
    for name, module in list(sys.modules.items()):
        if name.startswith("dpmigrate.runtime."):
            classes += [c for c in vars(module).values() if isinstance(c, type) and is_dataclass(c)]
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        scalar = numpy.float64(0.0).__reduce__()[0]
        classes += [scalar, numpy.dtype, *{type(numpy.dtype(kind)) for kind in "?bBhHiIlLefd"}]
    return list(dict.fromkeys(classes))
