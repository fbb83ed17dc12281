"""The names that the analysis knows, under which Opacus's releases have placed them anywhere."""

from __future__ import annotations

from dpmigrate.analysis import registry
from dpmigrate.analysis.language.classes import BASE_KINDS

NAMES = frozenset(
    [
        "PrivacyEngine",
        "PrivacyEngineAdaptiveClipping",
        "BatchMemoryManager",
        "wrap_data_loader",
        "wrap_model",
        "prepare_module",
        "DPOptimizer",
        "DPOptimizerFastGradientClipping",
        "DistributedDPOptimizerFastGradientClipping",
        "FSDPOptimizerFastGradientClipping",
        "DistributedDPOptimizer",
        "AdaClipDPOptimizer",
        "get_optimizer_class",
        "GradSampleModule",
        "GradSampleModuleExpandedWeights",
        "GradSampleModuleFastGradientClipping",
        "GradSampleModuleFastGradientClippingFSDP",
        "GradSampleModuleFastGradientClippingTP",
        "GradSampleHooks",
        "GradSampleHooksFastGradientClipping",
        "DPLossFastGradientClipping",
        "DPTensorFastGradientClipping",
        "double_backward",
        "ModuleValidator",
        "DPDataLoader",
        "DifferentiallyPrivateDistributedDataParallel",
        "DPLSTM",
        "DPGRU",
        "DPRNN",
        "DPMultiheadAttention",
    ]
)
GHOST_MODULES = {
    "opacus.GradSampleModuleFastGradientClipping": "ghost",
    "opacus.GradSampleHooksFastGradientClipping": "ghost",
    "opacus.GradSampleModuleFastGradientClippingFSDP": "ghost_fsdp",
    "opacus.GradSampleModuleFastGradientClippingTP": "ghost",
}
GHOST_OPTIMIZERS = (
    "opacus.DPOptimizerFastGradientClipping",
    "opacus.DistributedDPOptimizerFastGradientClipping",
    "opacus.FSDPOptimizerFastGradientClipping",
)


def _canonical(name: str) -> str:
    last = name.rpartition(".")[2]
    return f"opacus.{last}" if last in NAMES else name


registry.CANONICAL["opacus"] = _canonical
BASE_KINDS.update(
    {
        "opacus.PrivacyEngine": "engine",
        "opacus.PrivacyEngineAdaptiveClipping": "adaptive-engine",
        "opacus.BatchMemoryManager": "memory-manager",
        "opacus.GradSampleModule": "model",
    }
)
