"""Annotations of what make_private returns: what is about other things stays, then what grows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import OLD, Folder

Make = Callable[..., Folder]

CALL = OLD[OLD.index("    engine = ") : OLD.index("    with BatchMemory")]
LOOP = OLD[OLD.index("    with BatchMemory") :]
HEAD = OLD[: OLD.index("def train(")].replace(
    "import torch\n", "import torch\nfrom typing import Any, Tuple\n"
)
THREE = "Tuple[nn.Module, Any, Any]"
FOUR = "Tuple[nn.Module, Any, DPLossFastGradientClipping, Any]"
IMPORT = "import DPLossFastGradientClipping\n"


def program(made: str, taken: str, kept: str = "") -> str:
    call = CALL.replace("model, optimizer, loader = engine", "return engine")
    return (
        f"{HEAD}def make(model, optimizer, loader){made}:\n{call}\n\n"
        f"def train(private{taken}, criterion):\n    model, optimizer, loader = private\n{LOOP}\n\n"
        f"private{kept} = make(nn.Linear(2, 2), None, [])\n"
        'train(private, nn.CrossEntropyLoss(reduction="none"))\n'
    )


@pytest.mark.parametrize(
    "annotation", ["", "Tuple[Any, ...]", "tuple", "Any", "Tuple[Any, Any]", "list[Any]"]
)
def test_others_stay(folder: Make, annotation: str) -> None:
    arrow, colon = (f" -> {annotation}", f": {annotation}") if annotation else ("", "")
    project = folder(program(arrow, colon))
    assert project.fix().refused == ()
    assert f"def make(model, optimizer, loader, criterion){arrow}:" in project.read()
    assert IMPORT not in project.read()


def test_a_result_of_three_becomes_one_of_four(folder: Make) -> None:
    project = folder(program(f" -> {THREE}", f": {THREE}", f": {THREE}"))
    assert project.fix().refused == ()
    assert (project.read().count(FOUR), project.read().count(THREE), project.read().count(IMPORT)) == (
        3,
        0,
        1,
    )
    assert project.fix().diff == ""


def test_what_a_helper_returns_beside_it_is_kept(folder: Make) -> None:
    call = CALL + "    return model, optimizer, loader, engine\n"
    text = (
        f"{HEAD}def make(model, optimizer, loader) -> Tuple[nn.Module, Any, Any, PrivacyEngine]:\n{call}\n\n"
        f"def train(model, optimizer, loader):\n    criterion = nn.CrossEntropyLoss(reduction='none')\n"
        f"    model, optimizer, loader, engine = make(model, optimizer, loader)\n{LOOP}\n\n"
        "train(nn.Linear(2, 2), None, [])\n"
    )
    project = folder(text)
    assert project.fix().refused == ()
    assert "-> Tuple[nn.Module, Any, DPLossFastGradientClipping, Any, PrivacyEngine]:" in project.read()
    assert "    return model, optimizer, criterion, loader, engine\n" in project.read()


@pytest.mark.parametrize("elsewhere", ["", "\n\ndef other() -> Private: ...\n"])
def test_an_alias_of_the_tuple_grows_where_nothing_else_reads_it(folder: Make, elsewhere: str) -> None:
    source = program(" -> Private", ": Private").replace(
        "def make(", f"Private = {THREE}{elsewhere}\n\n\ndef make("
    )
    project = folder(source)
    assert project.fix().refused == ()
    assert f"Private = {THREE if elsewhere else FOUR}\n" in project.read()
    assert project.fix().diff == ""
