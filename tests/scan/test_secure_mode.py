"""Secure mode needs torchcsprng: what in a project counts as providing it, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

TRAIN = """from opacus import PrivacyEngine


def attach(model, optimizer, loader, secure):
    engine = PrivacyEngine(secure_mode=SECURE)
    for norm in (1.0, 2.0):
        yield engine.make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=norm
        )
"""


def said(project: Path, files: dict[str, str], secure: str = "True") -> list[tuple[str, str, int]]:
    """The findings about torchcsprng, in a project of these files and one that trains."""
    for name, text in {"train.py": TRAIN.replace("SECURE", secure), **files}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    found = api.scan(["."], cwd=project, select=["DPM207"]).findings
    return [(f.severity, f.certainty, f.span.line) for f in found]


def test_a_project_that_names_it_nowhere_is_told_once(tmp_path: Path) -> None:
    files = {"requirements.txt": "opacus==1.5.4\n", "ops/requirements.txt": "requests\n"}
    assert said(tmp_path, files) == [("info", "definite", 5)]


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "opacus==1.5.4\ntorchcsprng==0.2.1\n"},
        {"requirements.txt": "opacus==1.5.4\n", "requirements-gpu.txt": "git+https://host/meta/csprng.git\n"},
        {"environment.yml": "dependencies:\n  - pip:\n      - torchcsprng\n"},
        {"torchcsprng.py": "def create_random_device_generator(path): ...\n"},
        {"torchcsprng/__init__.py": ""},
    ],
    ids=["pin", "another file", "conda", "module", "package"],
)
def test_what_provides_it(tmp_path: Path, files: dict[str, str]) -> None:
    assert said(tmp_path, files) == []


@pytest.mark.parametrize("secure", ["False", "secure", "None"])
def test_an_option_or_no_secure_mode_is_no_finding(tmp_path: Path, secure: str) -> None:
    assert said(tmp_path, {}, secure) == []


@pytest.mark.parametrize(
    "caught", ["ImportError", "(OSError, ImportError)", "Exception", "builtins.ImportError"]
)
def test_a_program_that_goes_on_without_it_is_not_told(tmp_path: Path, caught: str) -> None:
    tried = TRAIN.replace(
        "    engine = PrivacyEngine(secure_mode=SECURE)\n",
        "    try:\n        engine = PrivacyEngine(secure_mode=True)\n"
        f"    except {caught}:\n        engine = PrivacyEngine()\n",
    )
    assert said(tmp_path, {"train.py": tried}) == []


def test_another_error_does_not_help(tmp_path: Path) -> None:
    tried = TRAIN.replace(
        "    engine = PrivacyEngine(secure_mode=SECURE)\n",
        "    try:\n        engine = PrivacyEngine(secure_mode=True)\n    except ValueError:\n        raise\n",
    )
    assert said(tmp_path, {"train.py": tried}) == [("info", "definite", 6)]


@pytest.mark.parametrize("generator", ["torch.Generator()", "torch.Generator().manual_seed(0)"])
@pytest.mark.parametrize(("secure", "rules"), [("True", ["DPM206"]), ("False", ["generator"])])
def test_what_can_only_raise_has_one_finding(
    generator: str, secure: str, rules: list[str], tmp_path: Path
) -> None:
    text = TRAIN.replace("SECURE", secure).replace("norm\n", f"norm, noise_generator={generator}\n")
    (tmp_path / "train.py").write_text(f"import torch\n{text}", encoding="utf-8")
    of_the_generator = "DPM204" if "manual_seed" in generator else "DPM201"
    findings = api.scan(["."], cwd=tmp_path, ignore=["DPM203", "DPM207"]).findings
    assert [f.rule for f in findings] == [of_the_generator if rule == "generator" else rule for rule in rules]
