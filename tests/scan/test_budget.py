"""Where the analysis gives up it says so, and what makes runs is looked at all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis import core
from dpmigrate.analysis.roots import entering
from dpmigrate.cli.scan import exit_status
from dpmigrate.model import CutShort
from tests.scan.programs import lay_out, wrong
from tests.scan.ways.programs import HEAD, TRAINER

LONG = "".join(f"def step_{i}(x):\n    return step_{i + 1}(x)\n" for i in range(40)) + "step_0(1)\n"


@pytest.fixture(autouse=True)
def nothing_in_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "RESERVE", 0)


def test_one_root_that_needs_more_has_the_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two scripts of one program takes some forty steps."""
    own = "import opacus\n" + LONG.replace("(40)", "(12)").replace("step_0(1)", "def go():\n    step_0(1)\n")
    files = dict.fromkeys(("first", "second"), f"import shared\n{own}\ngo()\n") | {
        "shared": "import opacus\n"
    }
    files = {name: text.replace("step_12(", "len(") for name, text in files.items()}
    monkeypatch.setattr(core, "MAX_STEPS", 30)
    cut = {}
    for reserve in (0, 1):
        monkeypatch.setattr(core, "RESERVE", reserve)
        cut[reserve] = [entry.path for entry in api.scan(cwd=lay_out(tmp_path, **files)).cut_short]
    assert (len(cut[0]), len(cut[1])) == (2, 1), cut


def test_small_programs_are_followed_to_the_end(tmp_path: Path) -> None:
    assert api.scan(cwd=lay_out(tmp_path, train=wrong())).cut_short == ()


def test_a_long_chain_of_elifs_is_followed(tmp_path: Path) -> None:
    """A registry of models and data sets has one for each name (seen: 180)."""
    chain = "".join(f"    elif name == 'm{i}':\n        size = {i}\n" for i in range(250))
    text = f"def size_of(name):\n    if name == 'm':\n        size = 1\n{chain}    return size\n\n\n"
    result = api.scan(cwd=lay_out(tmp_path, train=text + wrong() + "\nsize_of('m7')\nsize_of(outside)\n"))
    assert len(result.runs) == 1
    assert not result.not_analysed
    assert result.cut_short == ()


def test_a_root_beyond_its_budget_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 12)
    result = api.scan(cwd=lay_out(tmp_path, train=wrong()))
    assert result.cut_short == (CutShort("train.py", "train"),)


@pytest.mark.parametrize(
    ("files", "private"),
    [
        ({"main": "import opacus\n" + LONG}, False),
        ({"main": "import opacus, helper\n" + LONG, "helper": "x = 1\n"}, False),
        ({"main": "import opacus, helper\n" + LONG, "helper": "def f(e, m):\n    e.make_private(m)\n"}, True),
        ({"main": "import opacus\n" + LONG + "engine.make_private(**given)\n"}, True),
    ],
)
def test_it_is_told_whether_a_run_can_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], private: bool
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 12)
    result = api.scan(cwd=lay_out(tmp_path, **files))
    assert {cut.private for cut in result.cut_short if cut.path == "main.py"} == {private}


@pytest.mark.parametrize(
    ("helper", "entered"),
    [
        ("# a trainer like that of opacus\n", False),
        ("from opacus.accountants.utils import get_noise_multiplier\n", False),
        ("from opacus import PrivacyEngine\n", True),
        ("def f(e, m):\n    e.make_private(m)\n", False),
        ("# of opacus\ndef f(e, m):\n    e.make_private(m)\n", True),
    ],
)
def test_what_leads_to_nothing_private_is_not_interpreted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helper: str, entered: bool
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 12)
    result = api.scan(cwd=lay_out(tmp_path, main=f"import helper\n{LONG}", helper=helper))
    assert ("main.py" in {cut.path for cut in result.cut_short}) is entered


MADE_AT_TOP = """
import torch
from opacus import PrivacyEngine

model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(torch.load("d"), batch_size=8)
model, optimizer, loader = PrivacyEngine().make_private(
    module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
"""


def test_what_is_written_once_uses_up_no_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 12)
    monkeypatch.setattr(core, "MAX_TOTAL", 12)
    lines = "".join(f"x{i} = f({i})\n" for i in range(200))
    result = api.scan(cwd=lay_out(tmp_path, main=f"import opacus\n{lines}\n{MADE_AT_TOP}"))
    assert result.cut_short == ()
    assert [run.line for run in result.runs] == [210]


def test_a_call_that_nothing_came_to_is_no_clean_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 12)
    loop = "for name in ['a', 'b', 'c', 'd']:\n" + "".join(f"    x{i} = name\n" for i in range(20))
    result = api.scan(cwd=lay_out(tmp_path, main=f"import opacus\n{loop}\n{MADE_AT_TOP}"))
    assert result.cut_short == (CutShort("main.py", ""),)
    assert result.runs == ()
    assert [(n.path, n.line) for n in result.not_analysed] == [("main.py", 31)]
    assert [f.rule for f in result.findings] == ["DPM000"]
    assert exit_status(result) == 1


def test_what_makes_runs_is_entered_when_the_budget_of_the_whole_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "MAX_TOTAL", 60)
    before_it = "import opacus\nfrom train import train\n" + LONG
    result = api.scan(cwd=lay_out(tmp_path, a_main=before_it, train=wrong()))
    assert result.cut_short
    assert [f.rule for f in result.findings if f.severity != "info"] == ["DPM103"]


MODES = """
import torch
from torch import nn
from opacus import PrivacyEngine

def busy(n):
    return [n + 1, n + 2, n + 3]

def train(method, data):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    busy(1)
    if method == "hooks":
        model, optimizer, loader = PrivacyEngine().make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    elif method == "ghost":
        model, optimizer, criterion, loader = PrivacyEngine().make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
            criterion=nn.CrossEntropyLoss(), grad_sample_mode="ghost")

for method in ["hooks", "plain", "ghost"]:
    train(method, data)
"""


def test_a_call_that_a_cut_short_function_was_not_followed_to_is_still_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 26)
    result = api.scan(cwd=lay_out(tmp_path, main=MODES))
    assert result.cut_short
    assert [(run.line, run.mode) for run in result.runs] == [(15, ("hooks",)), (18, ("ghost",))]


def test_it_adds_nothing_to_the_runs_that_are_known_with_real_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = MODES.replace('grad_sample_mode="ghost"', "grad_sample_mode=method")
    text = text.replace('if method == "hooks":', "if method:").replace('elif method == "ghost":', "else:")
    monkeypatch.setattr(core, "MAX_STEPS", 26)
    result = api.scan(cwd=lay_out(tmp_path, main=text))
    assert [(run.line, run.mode) for run in result.runs if run.mode == ("hooks",)] == [(15, ("hooks",))]


SEEDED_FIRST = """
import torch
from torch import nn
from opacus import PrivacyEngine

def step_0(n):
    return n

def settle(seed):
    torch.manual_seed(seed)

def main(data):
    model = nn.Linear(4, 2)
    BUSY
    settle(3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)

main(data)
"""


def test_a_seed_in_a_call_that_was_not_followed_is_not_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = "; ".join("step_0(1)" for _ in range(10))
    short = api.scan(cwd=lay_out(tmp_path, main=SEEDED_FIRST.replace("BUSY", busy)))
    assert [run.global_seed for run in short.runs] == [True]
    monkeypatch.setattr(core, "MAX_STEPS", 40)
    cut = api.scan(cwd=lay_out(tmp_path, main=SEEDED_FIRST.replace("BUSY", busy)))
    assert cut.cut_short
    assert [run.global_seed for run in cut.runs] == [None]


def test_a_caller_that_was_not_followed_may_have_seeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = "from train import train\ndef experiment(data):\n    torch.manual_seed(2)\n    train(data)\n"
    plain = wrong().replace("    torch.manual_seed(1)\n", "")
    monkeypatch.setattr(core, "MAX_TOTAL", 60)
    files = {"a_main": "import opacus\nimport torch\n" + caller + LONG + "experiment(data)\n", "train": plain}
    result = api.scan(cwd=lay_out(tmp_path, **files))
    assert result.cut_short
    assert [run.global_seed for run in result.runs] == [None]


def test_what_nothing_calls_is_not_seeded_by_anyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = wrong().replace("    torch.manual_seed(1)\n", "")
    monkeypatch.setattr(core, "MAX_TOTAL", 60)
    result = api.scan(cwd=lay_out(tmp_path, a_main="import opacus\nimport train\n" + LONG, train=plain))
    assert [run.global_seed for run in result.runs] == [False]


SEEDED_SOMEWHERE = """
import torch
from opacus import PrivacyEngine


def main(data, seed, on_gpu, reproducible):
    generator = torch.Generator("cpu") if on_gpu else torch.Generator()
    if reproducible:
        generator.manual_seed(seed)
    model = torch.nn.Linear(4, 2)
    PrivacyEngine().make_private(
        module=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), noise_multiplier=1.0,
        data_loader=torch.utils.data.DataLoader(data, generator=generator), max_grad_norm=1.0)
    step_0(data)
"""


@pytest.mark.parametrize("cut", [False, True])
def test_a_seed_that_is_set_on_some_ways_is_that_of_all_where_ways_were_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 60 if cut else 10_000)
    result = api.scan(cwd=lay_out(tmp_path, main=SEEDED_SOMEWHERE + LONG.replace("step_0(1)\n", "")))
    assert [run.line for run in result.runs] == [11]
    assert bool(result.cut_short) is cut
    assert ("DPM202" in {f.rule for f in result.findings}) is not cut


OWN_ENGINE = """
from opacus import PrivacyEngine


class Engine(PrivacyEngine):
    def make_private(self, **given):
        model, optimizer, loader = super().make_private(**given)
        return model, optimizer, loader


def main(model, optimizer, loader):
    given = Engine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    step_0(given)
"""


@pytest.mark.parametrize("steps", [10_000, 60])
def test_an_engine_of_its_own_has_no_run_beside_that_of_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", steps)
    result = api.scan(cwd=lay_out(tmp_path, main=OWN_ENGINE + LONG.replace("step_0(1)\n", "")))
    assert [run.line for run in result.runs] == [12]


SWEEP = "".join(f"{'    ' * depth}for x{depth} in [{depth}.5]:\n" for depth in range(7))


def test_a_nest_of_loops_over_one_thing_each_is_gone_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 40)
    body = f"{'    ' * 7}count = count + helper.f(x6)\n"
    lines = f"import opacus, helper\ncount = 0\n{SWEEP}{body}"
    result = api.scan(cwd=lay_out(tmp_path, main=lines, helper="def f(x):\n    return x\n"))
    assert result.cut_short == ()


def test_a_nest_of_loops_over_several_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 40)
    body = f"{'    ' * 7}count = count + helper.f(x6)\n"
    lines = f"import opacus, helper\ncount = 0\n{SWEEP.replace('.5]', '.5, 9.5]')}{body}"
    result = api.scan(cwd=lay_out(tmp_path, main=lines, helper="def f(x):\n    return x\n"))
    assert result.cut_short


def test_every_heir_that_takes_part_in_training_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opacus's own tests have seventeen classes that fill in the model for sixteen methods they inherit."""
    monkeypatch.setattr(entering, "MAX_HEIRS", 0)
    clipping = "nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)\n        "
    stepping = "".join(
        f"\n\nclass Clipped{n}(Plain):\n    def finish(self):\n        {clipping}self.optimizer.step()\n"
        for n in range(9)
    )
    result = api.scan(cwd=lay_out(tmp_path, train=HEAD + TRAINER + stepping))
    assert len([finding for finding in result.findings if finding.rule == "DPM109"]) == 9


FRAMEWORK = "".join(f"def step_{i}(x):\n    return step_{i + 1}(x)\n" for i in range(12)) + "def init():\n"
FRAMEWORK += (
    "    for n in range(9):\n        a = [step_0(n), step_1(n), step_2(n), step_3(n)]\n    return a\n"
)


@pytest.mark.parametrize(
    ("framework", "given", "followed"),
    [
        ("", "", False),
        ("", "len(sys.argv)", False),
        ("", "model", True),
        ("", "lambda: train(1)", True),
        ("from opacus import PrivacyEngine\n", "", True),
        ("import torch\n", "", True),
    ],
)
def test_a_framework_beside_the_runs_has_a_share_of_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str, given: str, followed: bool
) -> None:
    """Where neither an import nor an argument leads from it to a run; what comes after is followed whole."""
    monkeypatch.setattr(core, "MAX_STEPS", 1_600)
    called = FRAMEWORK.replace("def init():", "def init(given=None):")
    main = wrong().replace("torch.manual_seed(1)", "torch.manual_seed(1)\n    sys.path.append('')")
    main = main.replace("    optimizer = torch", f"    framework.init({given})\n    optimizer = torch")
    files = {
        "main": "import sys, framework\n" + main + "\ntrain(torch.load('d'))\n",
        "framework": framework + called,
    }
    result = api.scan(cwd=lay_out(tmp_path, **files))
    assert [finding.rule for finding in result.findings if finding.severity != "info"] == ["DPM103"]
    assert {finding.certainty for finding in result.findings} == ({"definite"} if followed else {"possible"})
    assert [cut.path for cut in result.cut_short] == ([] if followed else ["main.py"])


def test_a_name_that_begins_alike_is_no_call_that_makes_a_run(tmp_path: Path) -> None:
    """Where no file has a word of Opacus, nothing is analysed: a package of 340 modules took a minute."""
    files = {
        "twin": "import tools\n\nclass Twin:\n    def make_private_obj(self):\n        return 1\n",
        "tools": LONG,
    }
    assert api.scan(cwd=lay_out(tmp_path, **files)).files_analysed == 0
    assert api.scan(cwd=lay_out(tmp_path, tools="import opacus\n" + LONG)).files_analysed == 2
