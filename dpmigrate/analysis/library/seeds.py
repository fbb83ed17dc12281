"""Global seeds: everything that seeds torch's default generator, in every framework's spelling."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library.registry import CallInfo, function
from dpmigrate.analysis.values import NONE, Const, Value, of

SEEDERS = (
    "torch.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "torch.mps.manual_seed",
    "torch.xpu.manual_seed_all",
    "pytorch_lightning.seed_everything",
    "pytorch_lightning.utilities.seed.seed_everything",
    "lightning.seed_everything",
    "lightning.pytorch.seed_everything",
    "lightning.fabric.seed_everything",
    "lightning_fabric.utilities.seed.seed_everything",
    "transformers.set_seed",
    "transformers.trainer_utils.set_seed",
    "transformers.enable_full_determinism",
    "accelerate.utils.set_seed",
    "monai.utils.set_determinism",
    "ignite.utils.manual_seed",
    "fastai.torch_core.set_seed",
    "trl.set_seed",
)


@function(*SEEDERS)
def _seed(ip: Interpreter, info: CallInfo) -> Value:
    seed = info.argument(0, "seed")
    ip.seeds.append((ip.origin(info.node, info.name), tuple(ip.loops), seed, ip.path, ip.conditional))
    ip.store.set("<global>", "seed", of(Const(True), ip.origin(info.node, info.name)))
    for run in ip.runs.values():
        if run.loops == tuple(ip.loops)[: len(run.loops)] and len(ip.loops) > len(run.loops):
            ip.happen(run, "seed", info.node, seed=seed)
    return NONE
