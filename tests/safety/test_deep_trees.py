"""Code nested more deeply than Python's stack is by itself: followed, or told of, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.fixing import fix

RUN = """\
import torch
from opacus import PrivacyEngine


def main(model, optimizer, loader):
    PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_generator=torch.Generator())


"""
DEEP = {
    "calls of what is returned": "x = a" + ".b()" * 280,
    "elif": "if x: pass\n" + "".join(f"elif x == {i}: y = {i}\n" for i in range(900)),
    "and": "if " + " and ".join(["model"] * 590) + ": pass",
    "a sum": "x = " + " + ".join(["model"] * 590),
    "a text in many pieces": "x = (" + "\n".join(f"'a{i}'" for i in range(590)) + ")",
    "else of if": "x = " + "1 if a else " * 290 + "2",
}
TOO_DEEP = {
    "calls of what is returned": "x = a" + ".b()" * 900,
    "elif": "if x: pass\n" + "".join(f"elif x == {i}: y = {i}\n" for i in range(1500)),
}


@pytest.mark.parametrize("name", DEEP)
def test_what_people_write_is_followed_and_mended(tmp_path: Path, name: str) -> None:
    (tmp_path / "train.py").write_text(RUN + DEEP[name] + "\n")
    assert [f.rule for f in api.scan(["."], cwd=tmp_path).findings] == ["DPM201"]
    assert list(fix(["."], cwd=tmp_path).contents) == ["train.py"]


@pytest.mark.parametrize("name", TOO_DEEP)
def test_what_is_too_deep_is_told_and_hides_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep.py").write_text(RUN + TOO_DEEP[name] + "\n")
    (tmp_path / "train.py").write_text(RUN)
    found = {(f.span.path, f.rule) for f in api.scan(["."], cwd=tmp_path).findings}
    assert found == {("deep.py", "DPM000"), ("train.py", "DPM201")}
    assert list(fix(["."], cwd=tmp_path).contents) == ["train.py"]
