"""The options of a class are for whoever uses it: the one caller of this tree does not decide them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
from opacus import PrivacyEngine

class Trainer:
    def __init__(self, net, opt, loader, {option}):
        self.net, self.opt, self.loader, self.option = net, opt, loader, {name}

    def train(self):
        given = {{"module": self.net, "optimizer": self.opt, "data_loader": self.loader}}
        {use}
        self.net, self.opt, self.loader = PrivacyEngine().make_private(
            noise_multiplier=1.0, max_grad_norm=1.0, **given)
        for batch in self.loader:
            self.net(batch["x"], labels=batch["y"]).loss.backward()
            self.opt.step()

if __name__ == "__main__":
    Trainer(net, opt, loader, {given}).train()
"""
KEY = "if self.option: given['grad_sample_mode'] = 'ghost'"


@pytest.mark.parametrize("given", ["", "ghost=False", "False"])
def test_a_flag_that_adds_a_keyword(tmp_path: Path, given: str) -> None:
    lay_out(tmp_path, train=PROGRAM.format(option="ghost=False", name="ghost", use=KEY, given=given))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    (run,) = result.runs
    assert run.mode == ("ghost", "hooks")
    assert {f.certainty for f in result.findings if f.severity != "info"} <= {"possible"}


def test_a_word_that_is_compared(tmp_path: Path) -> None:
    use = "given['grad_sample_mode'] = 'ghost' if self.option == 'fast' else 'hooks'"
    lay_out(tmp_path, train=PROGRAM.format(option="how='slow'", name="how", use=use, given="how='slow'"))
    (run,) = api.scan(["."], cwd=tmp_path).runs
    assert run.mode == ("ghost", "hooks")


@pytest.mark.parametrize(
    ("option", "use"),
    [
        ("more=False", "if self.option: print('not ghost')"),
        ("option", "assert self.option != 'ghost'"),
    ],
)
def test_a_class_without_such_an_option_has_the_mode_that_it_has(
    tmp_path: Path, option: str, use: str
) -> None:
    name = option.partition("=")[0]
    lay_out(tmp_path, train=PROGRAM.format(option=option, name=name, use=use, given="False"))
    (run,) = api.scan(["."], cwd=tmp_path).runs
    assert run.mode == ("hooks",)


RECORD = """
import dataclasses

import yaml
from dataclasses import dataclass
from opacus import PrivacyEngine

@dataclass
class Private:
    enabled: bool = False
    mode: str = "{default}"
    clipping: str = "flat"
    poisson: bool = True

def main(path):
    private = Private(**{given})
    {change}
    if not private.enabled:
        return
    result = PrivacyEngine().make_private(
        module=net, optimizer=opt, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode=private.mode, clipping=private.clipping, poisson_sampling=private.poisson)
    wrapped = None
    if len(result) == 4:
        model, optimizer, wrapped, batches = result
    else:
        model, optimizer, batches = result
    if wrapped is not None:
        criterion = wrapped
    else:
        criterion = nn.CrossEntropyLoss()
    for x, y in batches:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()

main("settings.yaml")
"""


@pytest.mark.parametrize(
    ("default", "change", "modes"),
    [
        ("hooks", "", ("?", "ghost", "hooks")),  # four results are spoken of
        ("ghost", "", ("?", "ghost")),
        (
            "hooks",
            "if private.mode == 'hooks': private = dataclasses.replace(private, mode='ghost')",
            ("?", "ghost"),
        ),
    ],
)
def test_a_record_that_a_file_fills(
    tmp_path: Path, default: str, change: str, modes: tuple[str, ...]
) -> None:
    """Fields that keywords of a file may set are open; nothing is said of values that nobody names."""
    given = "yaml.safe_load(open(path))"
    lay_out(tmp_path, train=RECORD.format(default=default, given=given, change=change))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    (run,) = result.runs
    assert (run.mode, run.mode_certainty) == (modes, "possible")
    assert [f.rule for f in result.findings if f.severity != "info"] == []


def test_a_record_that_the_program_fills_is_what_it_is_given(tmp_path: Path) -> None:
    given = "{'enabled': True, 'mode': 'ghost'}"
    lay_out(tmp_path, train=RECORD.format(default="hooks", given=given, change=""))
    (run,) = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").runs
    assert (run.mode, run.mode_certainty) == (("ghost",), "definite")


SETTINGS = RECORD.replace(
    "import yaml\n", "import yaml\nfrom pydantic import BaseModel\nfrom {library} import BaseSettings\n"
)
SETTINGS = SETTINGS.replace("@dataclass\nclass Private:", "class Private({base}):")


@pytest.mark.parametrize(
    ("base", "library", "given", "modes"),
    [
        ("BaseModel", "pydantic_settings", "{'enabled': True}", ("ghost",)),
        ("BaseSettings", "pydantic_settings", "{'enabled': True}", ("?", "ghost")),
        ("BaseSettings", "pydantic", "{'enabled': True}", ("?", "ghost")),
        ("BaseSettings", "pydantic_settings", "{'enabled': True, 'mode': 'hooks'}", ("hooks",)),
    ],
)
def test_settings_that_the_environment_may_hold(
    tmp_path: Path, base: str, library: str, given: str, modes: tuple[str, ...]
) -> None:
    text = SETTINGS.format(base=base, library=library, default="ghost", given=given, change="")
    lay_out(tmp_path, train=text)
    (run,) = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").runs
    assert run.mode == modes
