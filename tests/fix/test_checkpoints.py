"""What ``load_checkpoint`` no longer takes once the pin is raised: what stays, then what goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import OLD, Folder

Make = Callable[..., Folder]
LOADED = OLD.replace("    with Batch", "    {}\n    with Batch")
LOAD = 'engine.load_checkpoint(path="c.pt", module=model, torch_load_kwargs={})'


def made(folder: Make, before: str) -> Folder:
    return folder({"train.py": LOADED.replace("{}", before), "requirements.txt": "opacus==1.5.2\n"})


@pytest.mark.parametrize(
    "line",
    [
        LOAD.replace("{}", '{"map_location": "cpu"}'),
        'torch.load("c.pt", weights_only=False)',
        'Store().load_checkpoint(torch_load_kwargs={"weights_only": False})',
    ],
)
def test_what_else_is_loaded_stays(folder: Make, line: str) -> None:
    project = made(folder, line)
    store = "\n\nclass Store:\n    def load_checkpoint(self, torch_load_kwargs):\n        pass\n"
    project.write({"train.py": project.read() + store})
    assert project.fix().refused == ()
    assert line in project.read()


@pytest.mark.parametrize(
    ("given", "after"),
    [
        ('{"weights_only": False}', None),
        ("dict(weights_only=False)", None),
        ('{"weights_only": False, "map_location": "cpu"}', '{"map_location": "cpu"}'),
        ('{"map_location": "cpu", "weights_only": False}', '{"map_location": "cpu"}'),
        ('dict(map_location="cpu", weights_only=False)', 'dict(map_location="cpu")'),
    ],
)
def test_weights_only_goes(folder: Make, given: str, after: str | None) -> None:
    project = made(folder, LOAD.replace("{}", given))
    assert project.fix().refused == ()
    line = LOAD.replace("{}", after) if after else LOAD.replace(", torch_load_kwargs={}", "")
    assert f"    {line}\n" in project.read()
    assert project.fix().diff == ""


def test_weights_only_goes_from_where_the_dict_is_made(folder: Make) -> None:
    project = made(folder, 'how = {"weights_only": False}\n    ' + LOAD.replace("{}", "how"))
    assert project.fix().refused == ()
    assert "    how = {}\n" in project.read()


def test_a_dict_that_is_made_elsewhere_is_left(folder: Make) -> None:
    project = made(folder, LOAD.replace("{}", "how"))
    text = project.read().replace("optimizer, loader):", "optimizer, loader, how):", 1)
    project.write({"train.py": text + '\n\ntrain(None, None, None, {"weights_only": False})\n'})
    before = project.snapshot()
    assert any("leave it out of how" in reason for _, reason in project.fix().refused)
    assert project.snapshot() == before


@pytest.mark.parametrize(
    ("line", "bound", "told"),
    [
        (LOAD.replace(", torch_load_kwargs={}", ""), "1.5.4", False),
        ('model.load_state_dict(torch.load("c.pt"))', "1.6.0", False),
        (LOAD.replace(", torch_load_kwargs={}", ""), "1.6.0", True),
        ('engine.accountant.load_state_dict(torch.load("c.pt"))', "1.6.0", True),
    ],
)
def test_an_accountants_state_from_before_is_spoken_of(
    folder: Make, line: str, bound: str, told: bool
) -> None:
    notices = made(folder, line).fix(lower_bound=bound).notices
    assert any("does not load an accountant that 1.5.4 or earlier has saved" in n for n in notices) is told
