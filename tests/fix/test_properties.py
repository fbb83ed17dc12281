"""The same program in any layout is fixed alike, once; what is right is given back byte for byte."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpmigrate.fixing import fix

ARGUMENTS = {
    "module": "model",
    "optimizer": "optimizer",
    "data_loader": "loader",
    "noise_multiplier": "1.0",
    "max_grad_norm": "1.0",
}


@dataclass(frozen=True)
class Layout:
    """Everything about a program's text that does not change what it does."""

    quote: str
    order: tuple[str, ...]
    broken: bool
    comma: bool
    space: str
    comments: bool
    nesting: str
    newline: str
    last_newline: bool
    indent: str


def layouts() -> st.SearchStrategy[Layout]:
    return st.builds(
        Layout,
        quote=st.sampled_from(["'", '"']),
        order=st.permutations([*ARGUMENTS, "grad_sample_mode", "clipping"]).map(tuple),
        broken=st.booleans(),
        comma=st.booleans(),
        space=st.sampled_from(["", " "]),
        comments=st.booleans(),
        nesting=st.sampled_from(["module", "function", "method", "with", "try", "if"]),
        newline=st.sampled_from(["\n", "\r\n"]),
        last_newline=st.booleans(),
        indent=st.sampled_from(["    ", "  ", "\t"]),
    )


def call_text(layout: Layout, old: bool) -> str:
    values = {**ARGUMENTS, "grad_sample_mode": f"{layout.quote}ghost{layout.quote}"}
    if old:
        values["clipping"] = f"{layout.quote}ghost{layout.quote}"
    sign = f"{layout.space}={layout.space}"
    parts = [f"{name}{sign}{values[name]}" for name in layout.order if name in values]
    if layout.broken:
        comment = "  # budget" if layout.comments else ""
        lines = [f"    {part}," for part in parts]
        lines[0] += comment
        if not layout.comma:
            lines[-1] = lines[-1].removesuffix(",")
        return "engine.make_private(\n" + "\n".join(lines) + "\n)"
    return f"engine.make_private({', '.join(parts)}{',' if layout.comma else ''})"


def program(layout: Layout, old: bool = True) -> str:
    """One training program in a layout."""
    q = layout.quote
    remark = "  # per example" if layout.comments else ""
    body = [
        f"criterion = nn.CrossEntropyLoss(reduction={q}none{q}){remark}"
        if old
        else "criterion = nn.CrossEntropyLoss()",
        f"model, optimizer, {'' if old else 'criterion, '}loader = {call_text(layout, old)}",
        "for x, y in loader:",
        "    optimizer.zero_grad()",
        "    losses = criterion(model(x), y)",
        f"    double_backward(model, optimizer, losses){remark}" if old else "    losses.backward()",
        "    optimizer.step()",
        f"print(losses{'.mean()' if old else ''}.item())",
    ]
    text = "\n".join(body)
    opened = {
        "module": "",
        "function": "def main(model, optimizer, loader, engine: PrivacyEngine):",
        "method": "class Trainer:\n    def fit(self, model, optimizer, loader, engine: PrivacyEngine):",
        "with": "with torch.enable_grad():",
        "try": "try:",
        "if": "if torch.get_num_threads():",
    }[layout.nesting]
    if opened:
        depth = "        " if layout.nesting == "method" else "    "
        text = opened + "\n" + textwrap.indent(text, depth)
    if layout.nesting == "try":
        text += "\nfinally:\n    print('done')"
    head = (
        "import torch\nfrom opacus import PrivacyEngine\n"
        + ("from opacus.utils.fast_gradient_clipping_utils import double_backward\n" if old else "")
        + "from torch import nn\n"
    )
    made = (
        "model = nn.Linear(2, 2)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "loader = torch.utils.data.DataLoader([])\nengine = PrivacyEngine()\n"
    )
    whole = f"{head}\n{made}\n{text}\n"
    whole = "\n".join(_indented(line, layout.indent) for line in whole.split("\n"))
    whole = whole.replace("\n", layout.newline)
    return whole if layout.last_newline else whole.rstrip("\r\n")


def _indented(line: str, indent: str) -> str:
    bare = line.lstrip(" ")
    return indent * ((len(line) - len(bare)) // 4) + bare


def after_fix(text: str) -> tuple[str, str]:
    """The text after ``fix --apply``, and what a second run would change."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "train.py")
        path.write_bytes(text.encode())
        result = fix(["."], apply=True, cwd=folder)
        assert result.refused == ()
        again = fix(["."], apply=True, cwd=folder)
        return path.read_bytes().decode(), again.diff


def meaning(text: str) -> str:
    """The program without its layout; keyword arguments in one order."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords.sort(key=lambda k: k.arg or "")
    return ast.dump(tree)


quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@quick
@given(layouts())
def test_right_programs_are_given_back(layout: Layout) -> None:
    text = program(layout, old=False).replace("module", "criterion=criterion, module", 1)
    fixed, again = after_fix(text)
    assert (fixed, again) == (text, "")


@quick
@given(layouts())
def test_every_layout_is_fixed_alike_and_once(layout: Layout) -> None:
    old = program(layout)
    fixed, again = after_fix(old)
    assert again == ""
    expected = program(layout, old=False)
    given_criterion = meaning(fixed).replace(
        "keyword(arg='criterion', value=Name(id='criterion', ctx=Load())), ", ""
    )
    assert given_criterion == meaning(expected)
    assert "criterion=criterion" in fixed.replace(" ", "")


@quick
@given(layouts())
def test_lines_without_a_fault_keep_their_bytes(layout: Layout) -> None:
    old = program(layout)
    fixed, _ = after_fix(old)
    ends = {"\r\n"} if layout.newline == "\r\n" else {"\n"}
    assert {line[len(line.rstrip("\r\n")) :] for line in fixed.splitlines(keepends=True)[:-1]} == ends
    assert fixed.endswith(("\n", "\r\n")) == layout.last_newline
    left = [line for line in fixed.splitlines() if "# " in line]
    kept = [line for line in old.splitlines() if "# " in line and "double_backward" not in line]
    assert len(left) >= len(kept)
