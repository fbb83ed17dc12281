"""Objects of runs that are kept in lists, dicts and attributes of things that cannot be known."""

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

def main(nets, opts, loaders, n, state):
    {above}
    engines = [PrivacyEngine() for _ in range(n)]
    for j in range(n):
        {net}, {opt}, {loader} = engines[j].make_private(
            module={net}, optimizer={opt}, data_loader={loader},
            noise_multiplier=1.0, max_grad_norm=1.0{more})
    for {again}:
        with BatchMemoryManager(
            data_loader={loader}, max_physical_batch_size=8, optimizer={opt}) as batches:
            for x, y in batches:
                {opt}.zero_grad()
                nn.functional.cross_entropy({net}(x), y).backward()
                {opt}.step()
"""
ITEMS = {"net": "nets[j]", "opt": "opts[j]", "loader": "loaders[j]", "again": "j in range(n)"}
LISTS = """nets = [nn.Linear(4, 2) for _ in range(n)]
    opts = [torch.optim.SGD(net.parameters(), lr=0.1) for net in nets]
    loaders = [torch.utils.data.DataLoader([], batch_size=8) for _ in range(n)]"""
DICTS = """nets = {k: nn.Linear(4, 2) for k in range(n)}
    opts = {k: torch.optim.SGD(nets[k].parameters(), lr=0.1) for k in nets}
    loaders = {k: torch.utils.data.DataLoader([], batch_size=8) for k in nets}"""
KEPT = {
    "parameters": ITEMS,
    "lists": {"above": LISTS, **ITEMS},
    "dicts": {"above": DICTS, **ITEMS},
    "a name": {name: f"state['{name}']" for name in ("net", "opt", "loader")},
    "attributes": {name: f"state.{name}" for name in ("net", "opt", "loader")},
    "attributes of items": {name: f"state[j].{name}" for name in ("net", "opt", "loader")},
}


@pytest.mark.parametrize("words", KEPT.values(), ids=KEPT)
def test_they_are_found_again(tmp_path: Path, words: dict[str, str]) -> None:
    spoken = {"above": "pass", "more": "", "again": "j in range(n)", **words}
    lay_out(tmp_path, train=PROGRAM.format(**spoken))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    (run,) = result.runs
    assert run.batch_memory_manager is not None
    assert run.loss == "other"
    assert [f for f in result.findings if f.severity != "info"] == []


@pytest.mark.parametrize("words", KEPT.values(), ids=KEPT)
def test_what_is_wrong_with_them_is_possible(tmp_path: Path, words: dict[str, str]) -> None:
    spoken = {"above": "pass", "again": "j in range(n)", **words}
    spoken["more"] = ", grad_sample_mode='ghost', clipping='ghost'"
    lay_out(tmp_path, train=PROGRAM.format(**spoken))
    found = {f.rule: f.certainty for f in api.scan(["."], cwd=tmp_path, opacus="==1.5.2").findings}
    assert "DPM103" in found
    assert found["DPM101"] == "possible" or "[j]" not in spoken["net"]


GENERATORS = """
import torch
from opacus import PrivacyEngine

def main(net, opt, loader, secret, names):
    gens = {{k: torch.Generator() for k in {names}}}
    {seeding}
    PrivacyEngine().make_private(
        module=net, optimizer=opt, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        noise_generator=gens["noise"])
"""


SEEDING = (
    "for gen in gens.values(): gen.seed()",
    "for name, gen in gens.items(): gen.manual_seed(secret[name])",
    "for name in gens: gens[name].seed()",
    "[gen.seed() for gen in list(gens.values())]",
)


def certainties(folder: Path, seeding: str, names: str) -> list[str]:
    lay_out(folder, train=GENERATORS.format(seeding=seeding, names=names))
    return [f.certainty for f in api.scan(["."], cwd=folder).findings if f.rule == "DPM201"]


@pytest.mark.parametrize("names", ["names", '("noise", "data")'])
@pytest.mark.parametrize("seeding", SEEDING)
def test_what_a_loop_over_a_made_dict_does_is_done_to_what_it_holds(
    tmp_path: Path, seeding: str, names: str
) -> None:
    assert certainties(tmp_path, "pass", names) == ["definite"]
    assert "definite" not in certainties(tmp_path, seeding, names)


@pytest.mark.parametrize("seeding", SEEDING)
def test_under_keys_that_are_known_each_is_one_of_its_own(tmp_path: Path, seeding: str) -> None:
    assert certainties(tmp_path, seeding, '("noise", "data")') == []
