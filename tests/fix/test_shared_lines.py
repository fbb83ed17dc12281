"""Statements that share a line, suites of one line, and names that are bound in rarer ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import OLD, Folder

SHARED = OLD.replace(
    "            losses = criterion(model(x), y)\n            double_backward(model, optimizer, losses)\n",
    "            losses = criterion(model(x), y); double_backward(model, optimizer, losses)\n",
)


def test_only_its_own_part_of_a_line_changes(folder: Callable[..., Folder]) -> None:
    project = folder({"train.py": SHARED, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert "            losses = criterion(model(x), y); losses.backward()\n" in project.read()


def test_what_is_removed_leaves_the_rest_of_its_line(folder: Callable[..., Folder]) -> None:
    """``kwargs["clipping"] = "ghost"`` goes; what else stands on the line is read later."""
    text = OLD.replace(
        '        grad_sample_mode="ghost",\n        clipping="ghost",\n', "        **kwargs,\n"
    )
    text = text.replace(
        "    engine = PrivacyEngine()\n",
        '    kwargs = {}; kwargs["grad_sample_mode"] = "ghost"; kwargs["clipping"] = "ghost"\n'
        "    engine = PrivacyEngine()\n",
    )
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert '    kwargs = {}; kwargs["grad_sample_mode"] = "ghost"\n' in project.read()


def test_a_starred_target_keeps_its_star(folder: Callable[..., Folder]) -> None:
    text = OLD.replace("model, optimizer, loader = engine", "model, optimizer, *rest = engine").replace(
        "    with Batch", "    (loader,) = rest\n    with Batch"
    )
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert "    model, optimizer, criterion, *rest = engine.make_private(\n" in project.read()


@pytest.mark.parametrize(("weight", "made"), [("", True), ("weight=shares", False)])
def test_a_criterion_that_is_made_behind_on_the_same_line_is_made_before_or_left(
    folder: Callable[..., Folder], weight: str, made: bool
) -> None:
    line = '    criterion = nn.CrossEntropyLoss(reduction="none")\n'
    behind = line.lstrip().replace("(", f"({weight}{', ' * bool(weight)}")
    shares = "shares = torch.ones(2); " * bool(weight)
    text = OLD.replace(line, "").replace(
        '        clipping="ghost",\n    )\n', f'        clipping="ghost",\n    ); {shares}{behind}'
    )
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    before = project.snapshot()
    result = project.fix()
    if made:
        assert result.refused == ()
        own = (
            "    private_criterion = nn.CrossEntropyLoss()\n    model, optimizer, private_criterion, loader ="
        )
        assert own in project.read()
    else:
        assert "is made after make_private" in result.refused[0][1]
        assert project.snapshot() == before


def test_a_removed_last_argument_takes_its_comment_with_it(folder: Callable[..., Folder]) -> None:
    text = OLD.replace(
        "from torch import nn\n", "from torch import nn\nfrom torch.nn import functional as F\n"
    )
    text = text.replace('    criterion = nn.CrossEntropyLoss(reduction="none")\n', "").replace(
        "            losses = criterion(model(x), y)\n",
        "            losses = F.cross_entropy(\n                model(x),  # scores\n"
        '                y,  # classes\n                reduction="none",  # of each\n            )\n',
    )
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert "                y,  # classes\n            )\n" in project.read()
