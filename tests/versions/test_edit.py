"""Raising pins."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dpmigrate.versions.edit import Edit, Refusal, apply_edits, plan_raise, rewritten_bytes
from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.parsers.notebook import parse_cells
from dpmigrate.versions.pin import Pin
from dpmigrate.versions.releases import RELEASES
from tests.versions import MEMORY_MANAGER_FAULT


def raised(path: str, text: str, bound: str = "1.5.4") -> tuple[str, str]:
    """The text after the edit of its only pin, and the edit's applicability; a second plan must be empty."""
    (pin,) = parse_file(path, text.encode()).pins
    edit = plan_raise(pin, bound)
    assert isinstance(edit, Edit)
    after = apply_edits(text, [edit])
    (again,) = parse_file(path, after.encode()).pins
    assert plan_raise(again, bound) is None
    assert not again.versions & MEMORY_MANAGER_FAULT
    return after, edit.applicability


def refused(path: str, text: str) -> Refusal:
    (pin,) = parse_file(path, text.encode()).pins
    refusal = plan_raise(pin)
    assert isinstance(refusal, Refusal)
    return refusal


@pytest.mark.parametrize(
    "specifier", ["==1.5.4", ">=1.5.4", ">=1.6,<2", "==1.6.0", "~=1.5.4", ">1.5.3", "===1.5.4", ">=2"]
)
def test_pins_that_are_right_stay(specifier: str) -> None:
    (pin,) = parse_file("requirements.txt", f"opacus{specifier}\n".encode()).pins
    assert plan_raise(pin) is None


@pytest.mark.parametrize(
    ("before", "after", "applicability"),
    [
        ("", ">=1.5.4", "safe"),
        ("==1.5.2", "==1.5.4", "safe"),
        ("== 1.5.2", "==1.5.4", "safe"),
        ("===1.5.2", "===1.5.4", "safe"),
        ("==v1.4.1", "==1.5.4", "safe"),
        ("==1.5.2,!=1.5.1", "==1.5.4,!=1.5.1", "safe"),
        (">=1.4", ">=1.5.4", "safe"),
        (">= 1.4", ">= 1.5.4", "safe"),
        (">1.5", ">=1.5.4", "safe"),
        (">=1.4,<2", ">=1.5.4,<2", "safe"),
        ("<2,>=1.4", "<2,>=1.5.4", "safe"),
        (">=1.4, !=1.5.2", ">=1.5.4, !=1.5.2", "safe"),
        ("<1.6", ">=1.5.4,<1.6", "safe"),
        ("<2, !=1.5.2", ">=1.5.4, <2, !=1.5.2", "safe"),
        ("!=1.5.2", ">=1.5.4,!=1.5.2", "safe"),
        ("~=1.5", "~=1.5,>=1.5.4", "safe"),
        ("~=1.5.1", "~=1.5.1,>=1.5.4", "safe"),
        ("==1.5.*", "==1.5.*,>=1.5.4", "safe"),
        (">=1.3,<1.5.4", ">=1.5.4", "unsafe"),
        (">=1.3,<1.5.4,!=1.6.0", ">=1.5.4,!=1.6.0", "unsafe"),
        ("<=1.5.2", ">=1.5.4", "unsafe"),
        ("~=1.4.1", ">=1.5.4", "unsafe"),
        ("==1.4.*", ">=1.5.4", "unsafe"),
    ],
)
def test_requirements(before: str, after: str, applicability: str) -> None:
    text = "# opacus{0}\r\ntorch==2.3 ; x\r\nOpacus [dp]{0} ; python_version < '3.13' # why\r\nnumpy"
    if before == "":
        text = text.replace("{0}", "")
    assert raised("requirements.txt", text.replace("{0}", before)) == (
        text.replace("# opacus{0}", f"# opacus{before}").replace("[dp]{0}", f"[dp]{after}")
        if before
        else text.replace("[dp]", f"[dp]{after}"),
        applicability,
    )


@pytest.mark.parametrize(
    ("before", "after", "applicability"),
    [
        ("^1.3.0", "^1.5.4", "safe"),
        ("^1.5", "^1.5.4", "safe"),
        ("^1", "^1.5.4", "safe"),
        ("~1.5", "~1.5.4", "safe"),
        ("~1.5.2", "~1.5.4", "safe"),
        ("~1", ">=1.5.4,<2", "safe"),
        ("*", ">=1.5.4", "safe"),
        ("1.5.2", "1.5.4", "safe"),
        ("1.5.*", "1.5.*,>=1.5.4", "safe"),
        (">=1.4 <2", ">=1.5.4 <2", "safe"),
        (">=1.4,<1.5.3", ">=1.5.4", "unsafe"),
        ("~1.4", "~1.5.4", "unsafe"),
        ("^0.15", "^1.5.4", "unsafe"),
    ],
)
@pytest.mark.parametrize("entry", ["opacus = '{}' # why", 'opacus = {{ extras=["a"],version = "{}" }}'])
def test_poetry(before: str, after: str, applicability: str, entry: str) -> None:
    text = "[tool.poetry.dependencies]\npython = '^3.10'\n" + entry + "\ntorch = '^1.5'"
    assert raised("pyproject.toml", text.format(before)) == (text.format(after), applicability)


@pytest.mark.parametrize(
    ("before", "after", "applicability"),
    [
        ("=*", ">=1.5.4", "safe"),
        ("==*", ">=1.5.4", "safe"),
        ("=*=py39_0", ">=1.5.4", "safe"),
        ("", ">=1.5.4", "safe"),
        ("=1.5", ">=1.5.4,<1.6", "safe"),
        ("=1", ">=1.5.4,<2", "safe"),
        (" 1.5.*", " >=1.5.4,<1.6", "safe"),
        ("=1.5.2", "=1.5.4", "safe"),
        ("=1.5.2=pyhd8ed1ab_0", "=1.5.4", "safe"),
        (" 1.5.2", " 1.5.4", "safe"),
        ("==1.5.2", "==1.5.4", "safe"),
        (">=1.4", ">=1.5.4", "safe"),
        ("[version='>=1.4']", "[version='>=1.5.4']", "safe"),
        ("=1.4", ">=1.5.4", "unsafe"),
    ],
)
def test_conda(before: str, after: str, applicability: str) -> None:
    text = "name: opacus\ndependencies:\n  - python\n  - conda-forge::opacus{} # why\n  - pip:\n    - torch\n"
    assert raised("environment.yml", text.format(before)) == (text.format(after), applicability)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (
            "pyproject.toml",
            "[project]\ndependencies=['opacus>=1.4']",
            "[project]\ndependencies=['opacus>=1.5.4']",
        ),
        (
            "setup.cfg",
            "[options]\ninstall_requires =\n\topacus\n",
            "[options]\ninstall_requires =\n\topacus>=1.5.4\n",
        ),
        (
            "setup.py",
            "setup(install_requires=['é', 'opacus'])",
            "setup(install_requires=['é', 'opacus>=1.5.4'])",
        ),
        ("Pipfile", '[packages]\nopacus = "*"\n', '[packages]\nopacus = ">=1.5.4"\n'),
        ("constraints.txt", "opacus==1.5.2", "opacus==1.5.4"),
        (
            "environment.yml",
            "dependencies:\n- pip:\n  - opacus\n",
            "dependencies:\n- pip:\n  - opacus>=1.5.4\n",
        ),
    ],
)
def test_every_other_format(path: str, before: str, after: str) -> None:
    assert raised(path, before) == (after, "safe")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("!pip install -q opacus==1.5.2 torch", "!pip install -q opacus==1.5.4 torch"),
        ("!pip install -q opacus torch", '!pip install -q "opacus>=1.5.4" torch'),
        ("!pip install 'opacus[x]>=1.4'", "!pip install 'opacus[x]>=1.5.4'"),
        ("!pip install opacus>=1.4", '!pip install "opacus>=1.5.4"'),
        ("%pip install opacus[x]", '%pip install "opacus[x]>=1.5.4"'),
        ("!pip install opacus=='1.5.2'", "!pip install opacus==1.5.4"),
        ("!pip install 'opacus[x]'==1.5.2", "!pip install opacus[x]==1.5.4"),
        ("!conda install -y conda-forge::opacus=1.5", '!conda install -y "conda-forge::opacus>=1.5.4,<1.6"'),
        ("!conda install opacus=1.5.2 -y", "!conda install opacus=1.5.4 -y"),
        ("!conda install opacus=1.5", '!conda install "opacus>=1.5.4,<1.6"'),
        ("%%bash\npip install \\\n  opacus==1.5.2\n", "%%bash\npip install \\\n  opacus==1.5.4\n"),
    ],
)
def test_notebooks(before: str, after: str) -> None:
    (pin,) = parse_cells("a.ipynb", [(4, before)]).pins
    edit = plan_raise(pin)
    assert isinstance(edit, Edit)
    assert (edit.cell, apply_edits(before, [edit])) == (4, after)
    (again,) = parse_cells("a.ipynb", [(4, after)]).pins
    assert plan_raise(again) is None


def test_another_bound() -> None:
    assert raised("requirements.txt", "opacus==1.5.2", "1.6.0") == ("opacus==1.6.0", "safe")
    assert raised("requirements.txt", "opacus>=1.5,<1.6", "1.6.0") == ("opacus>=1.6.0", "unsafe")


def test_the_summary_says_what_it_lifts() -> None:
    (pin,) = parse_file("requirements.txt", b"opacus>=1.3,<1.5.4\n").pins
    edit = plan_raise(pin)
    assert isinstance(edit, Edit)
    assert edit.summary == "raise opacus from >=1.3,<1.5.4 to >=1.5.4, which lifts its cap <1.5.4"


@pytest.mark.parametrize(
    ("path", "text", "command"),
    [
        ("poetry.lock", '[[package]]\nname = "opacus"\nversion = "1.5.2"\n', "poetry update opacus"),
        ("uv.lock", '[[package]]\nname = "opacus"\nversion = "1.5.2"\n', "uv lock --upgrade-package opacus"),
        ("pdm.lock", '[[package]]\nname = "opacus"\nversion = "1.5.2"\n', "pdm update opacus"),
        ("Pipfile.lock", '{"default": {\n"opacus": {\n"version": "==1.5.2"\n}}}', "pipenv update opacus"),
        (
            "requirements.txt",
            "# autogenerated by pip-compile\nopacus==1.5.2\n",
            "pip-compile --upgrade-package opacus",
        ),
        (
            "requirements.txt",
            "# autogenerated by uv via the following command\nopacus==1.5.2\n",
            "uv pip compile --upgrade-package opacus",
        ),
        (
            "requirements.txt",
            "opacus==1.5.2 --hash=sha256:00\n",
            "pip-compile --generate-hashes --upgrade-package opacus",
        ),
    ],
)
def test_what_only_a_tool_may_write_is_refused(path: str, text: str, command: str) -> None:
    assert refused(path, text).command == command


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("requirements.txt", "git+https://github.com/pytorch/opacus@36f7a34c\n", "memory manager fault"),
        ("requirements.txt", "opacus @ git+https://github.com/pytorch/opacus\n", "the default branch"),
        ("requirements.txt", "opacus=1.5.2=pypi_0\n", "by hand"),
        ("pyproject.toml", '[tool.poetry.dependencies]\nopacus = "^1.3 || ^0.15"\n', "alternatives"),
        ("pyproject.toml", '[project]\ndependencies = ["opacus\\u003e=1.5"]\n', "by hand"),
        ("environment.yml", "dependencies:\n  - opacus=1.4.1|1.5.2\n", "alternatives"),
    ],
)
def test_what_cannot_be_raised_is_refused(path: str, text: str, words: str) -> None:
    refusal = refused(path, text)
    assert words in refusal.reason
    assert refusal.command is None


def test_a_bound_that_is_no_version_is_an_error() -> None:
    (pin,) = parse_file("requirements.txt", b"opacus\n").pins
    with pytest.raises(ValueError, match="version"):
        plan_raise(pin, "latest")


def test_edits_that_overlap_are_an_error() -> None:
    edit = Edit("a", None, 1, 0, 3, "x", "safe", "")
    assert apply_edits("abcdef", [edit, edit]) == "xdef"
    with pytest.raises(ValueError, match="overlapping"):
        apply_edits("abcdef", [edit, Edit("a", None, 1, 2, 4, "y", "safe", "")])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_rewriting_keeps_encoding_and_line_ends(encoding: str) -> None:
    data = "# é\r\nopacus==1.5.2\r\ntorch".encode(encoding)
    edits = [plan_raise(pin) for pin in parse_file("requirements.txt", data).pins]
    assert rewritten_bytes(data, [e for e in edits if isinstance(e, Edit)]) == data.replace(
        "1.5.2".encode(encoding)[-5:] if encoding != "utf-16" else "1.5.2".encode("utf-16-le"),
        "1.5.4".encode(encoding)[-5:] if encoding != "utf-16" else "1.5.4".encode("utf-16-le"),
    )


_clauses = st.lists(
    st.tuples(
        st.sampled_from(["==", ">=", "<=", "<", ">", "!=", "~="]),
        st.sampled_from([r for r in RELEASES if "." in r]),
    ),
    min_size=1,
    max_size=3,
).map(lambda parts: ",".join(op + version for op, version in parts))


def _only(text: str) -> Pin:
    (pin,) = parse_file("requirements.txt", text.encode()).pins
    return pin


@given(_clauses, st.sampled_from(["1.5.3", "1.5.4", "1.6.0"]))
def test_a_raised_pin_is_right_and_a_safe_one_admits_nothing_new(specifier: str, bound: str) -> None:
    pin = _only(f"opacus{specifier}")
    assume(pin.versions)  # a specifier that contradicts itself admits nothing to begin with
    edit = plan_raise(pin, bound)
    if edit is None:
        return
    assert isinstance(edit, Edit)
    after = _only(apply_edits(f"opacus{specifier}", [edit]))
    assert after.versions
    if edit.applicability == "safe" and "==" not in specifier:
        assert after.versions <= pin.versions
    assert not after.versions & MEMORY_MANAGER_FAULT
    assert plan_raise(after, bound) is None
