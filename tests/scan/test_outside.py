"""What a package outside the project holds can be equal to anything, and true or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import torch
from torch import nn
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
{above}
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(torch.zeros(8, 4), batch_size=4)
model, optimizer, loader = PrivacyEngine().make_private(
    module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
    grad_sample_mode=mode, clipping="ghost")
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=2, optimizer=optimizer) as batches:
    for x, y in batches:
        optimizer.zero_grad()
        nn.CrossEntropyLoss(reduction="none")(model(x), y).mean().backward()
        optimizer.step()
"""
TESTS = [
    ("import sys", "sys.platform == 'linux'"),
    ("import sys", "sys.platform.startswith('linux')"),
    ("import sys", "'linux' in sys.platform"),
    ("import sys", "sys.version_info >= (3, 8)"),
    ("import sys", "len(sys.argv) == 2"),
    ("from sys import platform", "platform in ('linux', 'darwin')"),
    ("import os", "os.name != 'nt'"),
    ("import os", "os.environ['FAST'] == '1'"),
    ("import os", "'FAST' in os.environ"),
    ("import os", "os.environ.get('FAST', '').lower() in ('1', 'true')"),
    ("import platform", "platform.system() == 'Linux'"),
    ("", "torch.cuda.is_available()"),
    ("", "torch.version.cuda is not None"),
    ("", "torch.version.cuda is None"),
    ("", "torch.__version__ >= '2.0'"),
    ("", "torch.float16 == torch.half"),
    ("import opacus", "opacus.__version__ == '1.5.2'"),
    ("import wandb", "wandb.config.mode == 'fast'"),
    ("import wandb", "wandb.config['mode'] == 'fast'"),
    ("import wandb", "wandb.config.get('mode', 'fast') == 'fast'"),
    ("import wandb", "wandb.run is None"),
    ("from absl import flags; FLAGS = flags.FLAGS", "FLAGS.debug"),
    ("from omegaconf import OmegaConf; cfg = OmegaConf.load('c.yaml')", "cfg.mode == 'fast'"),
    ("from settings import FAST", "FAST"),
    ("from settings import FAST", "FAST is True"),
    ("from settings import Mode, chosen", "chosen is Mode.FAST"),
    ("import settings", "settings.mode not in {'fast': 1}"),
    ("import settings", "settings.first == settings.second"),
    ("import settings", "'fast' == settings.mode and settings.count > 4"),
    ("import settings", "getattr(settings, 'fast', False)"),
    ("import settings", "settings.modes['dp']['mode'] == 'fast'"),
    ("from munch import Munch\nclass C(Munch): pass", "C().get('mode', 'fast') == 'fast'"),
    ("from munch import Munch\nclass C(Munch): pass", "C().pop('mode') == 'fast'"),
    ("import builtins", "getattr(builtins, '__IPYTHON__', False)"),
    ("import gin\n@gin.configurable\ndef fast(is_fast=False): return is_fast", "fast()"),
    ("import gin\n@gin.configurable\ndef kind(name='plain'): return name", "kind() == 'plain'"),
    (
        "import gin\n@gin.configurable('c')\nclass C:\n    def __init__(self, fast=False): self.fast = fast",
        "C().fast",
    ),
    ("from ingredients import ex\n@ex.capture\ndef fast(is_fast=True): return is_fast", "fast()"),
]


def _modes_and_rules(folder: Path, above: str) -> tuple[list[tuple[str, ...]], set[str]]:
    lay_out(folder, train=PROGRAM.format(above=above))
    result = api.scan(["."], cwd=folder, opacus="==1.5.2")
    return [run.mode for run in result.runs], {f.rule for f in result.findings}


@pytest.mark.parametrize(("imports", "test"), TESTS)
def test_a_guard_hides_nothing_behind_it(tmp_path: Path, imports: str, test: str) -> None:
    for guard in (f"if {test}:", f"if not ({test}):"):
        modes, rules = _modes_and_rules(
            tmp_path, f"mode = 'ghost'\n{imports}\n{guard}\n    raise RuntimeError"
        )
        assert modes == [("ghost",)]
        assert "DPM101" in rules


@pytest.mark.parametrize(("imports", "test"), TESTS)
def test_both_of_two_modes_can_be(tmp_path: Path, imports: str, test: str) -> None:
    ways = [
        f"mode = 'ghost' if {test} else 'hooks'",
        f"mode = 'hooks'\nif not ({test}):\n    mode = 'ghost'",
        f"flag = {test}\nmode = 'ghost'\nif flag:\n    mode = 'hooks'",
    ]
    for way in ways:
        modes, rules = _modes_and_rules(tmp_path, f"{imports}\n{way}")
        assert modes == [("ghost", "hooks")]
        assert "DPM101" in rules


@pytest.mark.parametrize(
    ("guard", "wanted"),
    [
        ("if TYPE_CHECKING:\n    mode = 'ghost'", "hooks"),
        ("if not TYPE_CHECKING:\n    mode = 'ghost'", "ghost"),
        ("mode = 'hooks' if TYPE_CHECKING else 'ghost'", "ghost"),
        ("if typing.TYPE_CHECKING:\n    raise RuntimeError", "hooks"),
    ],
)
def test_what_only_a_type_checker_reads_does_not_run(tmp_path: Path, guard: str, wanted: str) -> None:
    above = f"import typing\nfrom typing import TYPE_CHECKING\nmode = 'hooks'\n{guard}"
    assert _modes_and_rules(tmp_path, above)[0] == [(wanted,)]


def test_names_of_annotations_are_imported_for_a_type_checker(tmp_path: Path) -> None:
    text = """
    from typing import TYPE_CHECKING
    if TYPE_CHECKING:
        from opacus import PrivacyEngine

    def make(engine: "PrivacyEngine", model, optimizer, loader):
        return engine.make_private(module=model, optimizer=optimizer, data_loader=loader)
    """
    lay_out(tmp_path, train=text)
    assert len(api.scan(["."], cwd=tmp_path).runs) == 1
