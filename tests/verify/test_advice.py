"""The errors that Opacus really raises come with the sentence that says what to do."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dpmigrate.runtime.run.advice import for_error
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
        "frozen": "DPM119",
        "other-parameters": "make it from the model that make_private gets",
        "reduction": "each make_private needs one of its own",
        "target-column": "squeeze the last dimension",
    },
    "1.6.0": {
        "clipping-ghost": "DPM405",
        "hooks-accumulated": "DPM314",
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


def test_other_errors_get_no_advice() -> None:
    for error in (
        ValueError("the data set is gone"),
        KeyError("criterion"),
        RuntimeError("CUDA out of memory"),
    ):
        assert for_error(error, []) == ""
