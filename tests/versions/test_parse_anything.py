"""No file makes a parser raise, and every place that a parser reports is really there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpmigrate.versions.decoding import line_at
from dpmigrate.versions.edit import Edit, apply_edits, plan_raise
from dpmigrate.versions.parsers import parse_file, parser_for
from dpmigrate.versions.parsers.notebook import parse_cells
from dpmigrate.versions.pin import Parsed

SAMPLES = {
    "Dockerfile": 'FROM x\nRUN pip install torch \\\n  "opacus>=1.5,<1.5.3"\nRUN pip install opacus==1.5.2\n',
    "pixi.toml": '[pypi-dependencies]\nopacus = "==1.5.2"\n',
    "requirements.txt": (
        "# x\r\n-r base.txt\nopacus[dp] >=1.4, \\\n <2 ; python_version<'3.9' # why\n"
        "-e git+https://github.com/a/opacus@b#egg=opacus\n"
    ),
    "pyproject.toml": (
        "[project]\ndependencies = ['torch', \"opacus>=1.5\"] # x\n"
        "[tool.poetry.dependencies]\nopacus = {version = '^1.5', extras = [\"a\"]}\n"
        "[tool.uv.sources]\nopacus = [{git = 'https://github.com/pytorch/opacus', rev = 'v1.5.2'}]\n"
        "[[a.b]]\nc = '''x\ny'''\n"
    ),
    "setup.cfg": "[options]\ninstall_requires =\n  opacus>=1.3, <2 # y\n[options.extras_require]\nx=opacus\n",
    "setup.py": "R = ['opacus>=1.5']\nE = {'x': R}\nsetup(install_requires=R, extras_require=E)\n",
    "Pipfile": '[packages]\nopacus = "==1.5.2"\n[dev-packages]\nopacus = {git = "x", ref = "y"}\n',
    "environment.yml": "dependencies:\n  - a::opacus=1.5=b # c\n  - pip:\n    - 'opacus==1.5.2'\n",
    "poetry.lock": '[[package]]\nname = "opacus"\nversion = "1.5.2"\n[package.source]\ntype = "git"\n',
    "Pipfile.lock": '{\n "default": {\n  "opacus": {\n   "version": "==1.5.2"\n  }\n }\n}\n',
}
NOTEBOOK = (
    "%%bash\npip install 'opacus>=1.5' \\\n torch && conda install opacus=1.5\npip install opacus>=1 # x\n"
)


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """The text with a few stretches cut out or replaced."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        text = (
            text[:start]
            + draw(st.text(alphabet="opacus=<>~^!.*1'\"[]{}()#;,\\\n\r \té", max_size=4))
            + text[end:]
        )
    return text


def holds(text: str, parsed: Parsed, path: str) -> None:
    lines = line_at(text, len(text))
    for problem in parsed.problems:
        assert 1 <= problem.line <= lines + 1
    for pin in parsed.pins:
        assert 1 <= pin.line <= lines
        if pin.span is not None:
            start, end = pin.span
            assert 0 <= start <= end <= len(text)
        edit = plan_raise(pin)
        if isinstance(edit, Edit):
            assert apply_edits(text, [edit]) != text
            assert edit.path == path


@pytest.mark.parametrize("path", SAMPLES)
@given(data=st.data())
def test_damaged_files(path: str, data: st.DataObject) -> None:
    text = data.draw(damaged(SAMPLES[path]))
    parse = parser_for(path)
    assert parse is not None
    before = parse(path, text)
    holds(text, before, path)
    for pin in before.pins:
        edit = plan_raise(pin)
        if isinstance(edit, Edit):
            after = parse(path, apply_edits(text, [edit]))
            # A specifier that went over several lines is written on one: what follows moves up.
            assert [p.reason for p in after.problems] == [p.reason for p in before.problems]
            assert len(after.pins) == len(before.pins)
            # Of an unquoted word the whole is written anew.
            written = range(edit.start, edit.start + len(edit.new) + 1)
            assert [plan_raise(p) for p in after.pins if p.span and p.span[0] in written] == [None]


@given(damaged(NOTEBOOK))
def test_damaged_cells(text: str) -> None:
    holds(text, parse_cells("n.ipynb", [(0, text)]), "n.ipynb")


@pytest.mark.parametrize("path", [*SAMPLES, "uv.lock", "pylock.toml", "conda-lock.yml"])
@given(data=st.binary(max_size=60))
def test_bytes_without_the_name_yield_nothing(path: str, data: bytes) -> None:
    assert parse_file(path, data.replace(b"o", b"").replace(b"O", b"")) == Parsed()


@pytest.mark.parametrize("path", SAMPLES)
def test_the_samples_are_read(path: str) -> None:
    parsed = parse_file(path, SAMPLES[path].encode())
    assert parsed.pins
    assert not parsed.problems


def test_names_of_no_format_yield_nothing() -> None:
    assert parser_for("README.md") is None
    assert parse_file("opacus.md", b"opacus==1.5.2") == Parsed()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "opacus" + " " * 20000 + "x"),
        ("requirements.txt", "opacus>=1" + " " * 20000 + "," + " " * 20000 + "!"),
        ("environment.yml", "dependencies:\n - opacus" + " " * 20000 + "["),
        ("conda-lock.yml", "- name: opacus\n" + "  a: b\n" * 20000),
    ],
)
def test_text_that_invites_backtracking_is_given_up_at_once(path: str, text: str) -> None:
    assert parse_file(path, text.encode()).pins == ()
