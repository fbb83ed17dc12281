"""The errors that Opacus really raises come with the sentence that says what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.error import URLError

import pytest

from dpmigrate.runtime.run.processes.advice import for_error
from tests.opacus_releases import environment
from tests.verify.running import HERE

ADVICE = {
    "1.5.2": {
        "criterion": "takes criterion= since Opacus 1.5.3",
        "misspelt": "DPM406",
    },
    "1.5.4": {
        "attach": "DPM410",
        "batch-norm": "ModuleValidator.fix",
        "clipping-ghost": "DPM405",
        "coefficient": "DPM409",
        "divided": "DPM107",
        "double-backward": "DPM401",
        "evaluating": "call model.train()",
        "frozen": "DPM119",
        "other-parameters": "make it from the model that make_private gets",
        "reduction": "each make_private needs one of its own",
        "target-column": "squeeze the last dimension",
    },
    "1.6.0": {
        "clipping-ghost": "DPM405",
        "frozen-late": "DPM119",
        "hooks-accumulated": "DPM314",
        "hooks-twice-backward": "two backward passes went over one forward pass",
        "hooks-unfrozen": "DPM119",
        "mean": "DPM407",
        "printed": "DPM407",
        "retain": "DPM407",
        "scaler": "DPM407",
        "secure-mode": "DPM207",
        "spent": "DPM412",
        "twice-private": "DPM309",
    },
}


@pytest.mark.opacus
@pytest.mark.parametrize("version", ADVICE)
def test_errors_of_a_release_are_explained(version: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "raise_errors.py"), *ADVICE[version]],
        env=environment(version),
        capture_output=True,
        text=True,
        check=True,
    )
    advised = json.loads(done.stdout.splitlines()[-1])
    unexplained = {f: said for f, said in advised.items() if ADVICE[version][f] not in said}
    assert not unexplained


def test_what_is_missing_may_be_stood_in_for() -> None:
    module = ModuleNotFoundError("No module named 'ours'", name="ours")
    assert "--with ours=FILE.py" in for_error(module, [])
    assert "--with data/a.csv=FILE" in for_error(FileNotFoundError(2, "No such file", "data/a.csv"), [])
    assert "--factory" in for_error(URLError("no route"), [])
    moved = ModuleNotFoundError(
        "No module named 'opacus.dp_model_inspector'", name="opacus.dp_model_inspector"
    )
    assert "DPM413" in for_error(moved, [])


def test_what_launchers_and_trainers_need_is_said() -> None:
    assert "torchrun" in for_error(KeyError("LOCAL_RANK"), [])
    unset = "rendezvous: environment variable RANK expected, but not set"
    assert "torchrun" in for_error(ValueError(unset), [])
    handed_on = "forward() got an unexpected keyword argument 'num_items_in_batch'"
    assert "model_accepts_loss_kwargs" in for_error(TypeError(handed_on), [])


def test_other_errors_get_no_advice() -> None:
    for error in (
        ValueError("the data set is gone"),
        KeyError("criterion"),
        RuntimeError("CUDA out of memory"),
    ):
        assert for_error(error, []) == ""
