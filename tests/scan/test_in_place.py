"""Outputs of hooked layers changed in place (DPM414): what only looks like it, then each form."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

HEAD = (
    "import torch\nimport torch.nn.functional as F\nfrom opacus import PrivacyEngine\nfrom torch import nn\n"
)
CALL = (
    "\nopt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
    "net, opt, loader = PrivacyEngine().make_private(module=net, optimizer=opt, data_loader=[], "
    "noise_multiplier=1.0, max_grad_norm=1.0)\n"
)
CLASS = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.conv = nn.Conv2d(1, 4, 3)\n        self.act = nn.ReLU(inplace=True)\n"
    "        self.drop = nn.Dropout(0.1)\n\n    def forward(self, x):\n"
)


def found(folder: Path, text: str, pins: str = "opacus>=1.5.4\n") -> list[int]:
    (folder / "train.py").write_text(text + CALL, encoding="utf-8")
    (folder / "requirements.txt").write_text(pins, encoding="utf-8")
    said = [f for f in api.scan(["."], cwd=folder).findings if f.rule == "DPM414"]
    assert all(f.certainty == "definite" for f in said)
    return [f.span.line for f in said]


@pytest.mark.parametrize(
    "body",
    [
        "return self.drop(F.relu(self.conv(x))).relu_()",
        "x = F.max_pool2d(self.conv(x), 2)\n        x += 1\n        return x",
        "x = self.conv(x) + 1\n        return self.act(x)",
        "count = 0\n        count += 1\n        return self.conv(x)",
        "return self.conv(self.act(x))",
        "return F.relu(self.conv(x), inplace=False)",
        "h = self.conv(x)\n        y = F.relu(h)\n        h.detach().mul_(2)\n        return y",
        "h = self.conv(x)\n        y = F.relu(h)\n        F.relu_(h.detach())\n        return y",
        "h = self.conv(x)\n        d = h.detach().clone()\n        d += 1\n        return F.relu(h)",
        "h = self.conv(x)\n        h.data.mul_(2)\n        return F.relu(h)",
        "h = self.conv(x)\n        d = h.detach()\n        h = self.conv(F.relu(h))\n        d += 1\n"
        "        return F.relu(h)",
    ],
)
def test_what_was_made_anew_may_be_changed(tmp_path: Path, body: str) -> None:
    assert found(tmp_path, f"{HEAD}{CLASS}        {body}\n\n\nnet = Net()") == []


@pytest.mark.parametrize(
    "net",
    [
        "nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2))",
        "nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Dropout(0.1, True))",
        "nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=False))",
    ],
)
def test_sequences_without_the_fault(tmp_path: Path, net: str) -> None:
    assert found(tmp_path, f"{HEAD}net = {net}") == []


def test_older_releases_train(tmp_path: Path) -> None:
    assert (
        found(tmp_path, f"{HEAD}net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(True))", "opacus==1.5.3\n") == []
    )


@pytest.mark.parametrize(
    "net",
    [
        "nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))",
        "nn.Sequential(*[nn.Linear(2, 2), nn.ReLU(True)])",
        "nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.LeakyReLU(0.1, True))",
        "nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2)), nn.Dropout(0.1, inplace=True))",
    ],
)
def test_a_layer_behind_a_layer(tmp_path: Path, net: str) -> None:
    assert found(tmp_path, f"{HEAD}net = {net}") == [5]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("return self.act(self.conv(x))", 9),
        ("out = self.conv(x)\n        out += x\n        return out", 14),
        ("out = self.conv(x).view(-1)\n        return F.relu(out, inplace=True)", 14),
        ("return self.conv(x).relu_()", 13),
        ("while x.any():\n            x = F.relu(self.conv(x), True)\n        return x", 14),
        ("h = self.conv(x)\n        d = h.detach()\n        d.clamp_(0)\n        return F.relu(h)", 15),
        ("h = self.conv(x)\n        h.detach()[0] = 0\n        return F.relu(h)", 14),
        ("h = self.conv(x)\n        F.relu_(h.detach())\n        return F.relu(h)", 14),
        ("h = self.conv(x)\n        F.dropout(h.detach(), inplace=True)\n        return F.relu(h)", 14),
    ],
)
def test_the_forms_of_a_forward(tmp_path: Path, body: str, line: int) -> None:
    assert found(tmp_path, f"{HEAD}{CLASS}        {body}\n\n\nnet = Net()") == [line]


def test_torchvision_changes_in_place(tmp_path: Path) -> None:
    text = f"{HEAD}from torchvision.models import resnet18\nnet = resnet18()"
    fixed = "\nfrom opacus.validators import ModuleValidator\nnet = ModuleValidator.fix(net)"
    assert found(tmp_path, text + fixed) == [6]
    assert not found(tmp_path, text), "make_private refuses its BatchNorm on every release"


CHOSEN = (
    "import sys\nfrom torchvision import models\n"
    "if sys.argv[1] == 'a':\n    net = models.resnet18()\n"
    "elif sys.argv[1] == 'b':\n    net = models.resnet50()\nelse:\n    net = models.vgg11()"
)


def test_one_finding_tells_of_all_library_models_of_a_run(tmp_path: Path) -> None:
    two = f"{HEAD}{CHOSEN}{CALL}net = models.alexnet()"
    (tmp_path / "train.py").write_text(two + CALL, encoding="utf-8")
    said = [f for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM414"]
    assert [(f.span.line, "resnet18 (and 2 more of its models) changes" in f.message) for f in said] == [
        (8, True),
        (15, False),
    ]


WHOLE = HEAD + "class Net(nn.Module):\n    def __init__(self, act='relu', n=2):\n        super().__init__()\n"
FORWARD = "\n    def forward(self, x):\n"


def told(folder: Path, init: str, forward: str) -> list[str]:
    """The certainty of each finding, and the text of its line."""
    inside = ["        " + line for line in init.split("\n")]
    body = [("    " if line.startswith("def ") else "        ") + line for line in forward.split("\n")]
    text = WHOLE + "\n".join(inside) + FORWARD + "\n".join(body) + "\n\n\nnet = Net()" + CALL
    (folder / "train.py").write_text(text, encoding="utf-8")
    (folder / "requirements.txt").write_text("opacus>=1.5.4\n", encoding="utf-8")
    lines = text.split("\n")
    return [
        f"{f.certainty}: {lines[f.span.line - 1].strip()}"
        for f in api.scan(["."], cwd=folder).findings
        if f.rule == "DPM414"
    ]


LIST = "layers = []\nfor _ in range(n):\n    layers.append(nn.Linear(2, 2))\n    layers.append(nn.{})\n"
BLOCKS = "self.blocks = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])"


@pytest.mark.parametrize(
    ("init", "forward"),
    [
        (LIST.format("Tanh()") + "self.net = nn.Sequential(*layers)", "return self.net(x)"),
        (BLOCKS, "for block in self.blocks:\n    x = F.relu(block(x))\n    x += 1\nreturn x"),
        (BLOCKS, "total = 0\nfor block in self.blocks:\n    total += torch.tanh(block(x))\nreturn total"),
        ("self.a = nn.Linear(2, 2)", "mask = torch.ones_like(x)\nmask[:, 0] = 0\nreturn self.a(x) * mask"),
        (
            "self.a = nn.Linear(2, 2)",
            "return self.tail(torch.tanh(self.a(x)))\n\ndef tail(self, h):\nh += 1\nreturn h",
        ),
        ("self.a = nn.Linear(2, 2)", "h = self.a(x)\nh.requires_grad_()\nreturn h"),
    ],
)
def test_what_a_loop_or_a_method_makes_anew_may_be_changed(tmp_path: Path, init: str, forward: str) -> None:
    assert told(tmp_path, init, forward) == []


@pytest.mark.parametrize(
    ("init", "forward", "said"),
    [
        (
            LIST.format("ReLU(inplace=True)") + "self.net = nn.Sequential(*layers)",
            "return self.net(x)",
            "definite: layers.append(nn.ReLU(inplace=True))",
        ),
        (
            BLOCKS,
            "for block in self.blocks:\n    x = F.relu(block(x), inplace=True)\nreturn x",
            "definite: x = F",
        ),
        (
            "self.blocks = nn.ModuleList()\nfor _ in range(n):\n    self.blocks.append(nn.Linear(2, 2))",
            "for i, block in enumerate(self.blocks):\n    x = block(x)\n    x += 1\nreturn x",
            "possible: x += 1",
        ),
        ("self.a = nn.Linear(2, 2)", "h = self.a(x)\nh[:, 0] = 0\nreturn h", "definite: h[:, 0] = 0"),
        (
            "self.net = nn.Sequential(nn.Linear(2, 2))",
            "h = self.net[0](x)\nh += 1\nreturn h",
            "definite: h += 1",
        ),
        (
            "self.a = nn.Linear(2, 2)\nself.act = act",
            "h = self.a(x)\nif self.act == 'relu':\n    h = F.relu_(h)\nreturn h",
            "possible: h = F.relu_(h)",
        ),
        (
            "self.a = nn.Linear(2, 2)",
            "return self.tail(self.a(x))\n\ndef tail(self, h):\nh += 1\nreturn h",
            "definite: h += 1",
        ),
    ],
)
def test_layers_in_lists_and_methods_that_forward_calls(
    tmp_path: Path, init: str, forward: str, said: str
) -> None:
    assert [t[: len(said)] for t in told(tmp_path, init, forward)] == [said]


A = "self.a = nn.Linear(2, 2)"
IN_SEQUENCE = (
    "class Block(nn.Sequential):\n    def __init__(self):\n        super().__init__()\n        {}\n\n\n"
)


@pytest.mark.parametrize(
    ("init", "forward"),
    [
        (A, "self.h = torch.tanh(self.a(x))\nself.h += 1\nreturn self.h"),
        (A, "h, k = self.a(x), torch.ones(2)\nk.add_(1)\nreturn h * k"),
        (A, "y = torch.exp(h := self.a(x))\ny.add_(1)\nreturn y + h"),
        (A, "h = self.a(x)\ndef act(h):\n    h.relu_()\nact(h + 1)\nreturn h"),
        (A, "h = self.a(x)\nreturn torch.sum(h, True)"),
        (
            "self.parts = nn.ModuleDict({'a': nn.Linear(2, 2), 'b': nn.Tanh()})",
            "h = self.parts['b'](x)\nh += 1\nreturn self.parts['a'](h)",
        ),
        (
            "self.a1 = nn.Linear(2, 2)\nself.b1 = nn.Tanh()",
            "h = getattr(self, f'b{n}')(x)\nh += 1\nreturn self.a1(h)",
        ),
    ],
)
def test_what_another_name_holds_may_be_changed(tmp_path: Path, init: str, forward: str) -> None:
    assert told(tmp_path, init, forward) == []


@pytest.mark.parametrize(
    ("init", "forward", "said"),
    [
        (A, "self.h = self.a(x)\nself.h.relu_()\nreturn self.h", "definite: self.h.relu_()"),
        (A, "self.h = self.a(x)\nself.h += 1\nreturn self.h", "definite: self.h += 1"),
        (
            A,
            "self.h = self.a(x)\nself.act()\nreturn self.h\n\ndef act(self):\nself.h += 1",
            "definite: self.h += 1",
        ),
        (A, "h, k = self.a(x), x\nh.add_(1)\nreturn h + k", "definite: h.add_(1)"),
        (A, "y = torch.tanh(h := self.a(x))\nh.add_(1)\nreturn y + h", "definite: h.add_(1)"),
        (A, "h, k = self.a(x).chunk(2)\nk += 1\nreturn h + k", "definite: k += 1"),
        (A, "from torch import relu_ as R\nh = self.a(x)\nR(h)\nreturn h", "definite: R(h)"),
        (A, "h = self.a(x)\nnn.functional.relu_(h)\nreturn h", "definite: nn.functional.relu_(h)"),
        (
            A,
            "h = self.a(x)\ntorch.nn.functional.relu_(h)\nreturn h",
            "definite: torch.nn.functional.relu_(h)",
        ),
        (A, "return F.dropout(self.a(x), 0.1, True, True)", "definite: return F"),
        (A, "out = self.a(x)\nact = lambda: out.relu_()\nact()\nreturn out", "definite: act = lambda"),
        (A, "layer = self.a\nh = layer(x)\nh += 1\nreturn h", "definite: h += 1"),
        (
            "self.parts = nn.ModuleDict({'a': nn.Linear(2, 2), 'b': nn.Tanh()})",
            "h = self.parts['a'](x)\nh += 1\nreturn h",
            "definite: h += 1",
        ),
        (
            "for i in range(2):\n    setattr(self, f'a{i}', nn.Linear(2, 2))",
            "for i in range(2):\n    x = getattr(self, f'a{i}')(x)\n    x += 1\nreturn x",
            "definite: x += 1",
        ),
        (
            "self.a = nn.ModuleList([nn.Linear(2, 2)])\nself.b = nn.ModuleList([nn.Tanh()])",
            "for a, b in zip(self.a, self.b):\n    x = a(b(x))\n    x += 1\nreturn x",
            "definite: x += 1",
        ),
    ],
)
def test_what_a_name_means_is_asked(tmp_path: Path, init: str, forward: str, said: str) -> None:
    assert [t[: len(said)] for t in told(tmp_path, init, forward)] == [said]


@pytest.mark.parametrize(
    ("block", "lines"),
    [
        ("self.add_module('a', nn.Linear(2, 2))\n        self.add_module('b', nn.Tanh())", []),
        ("self.add_module('a', nn.Linear(2, 2))\n        self.add_module('b', nn.ReLU(True))", [9]),
    ],
)
def test_a_class_that_is_a_sequential(tmp_path: Path, block: str, lines: list[int]) -> None:
    (tmp_path / "train.py").write_text(HEAD + IN_SEQUENCE.format(block) + "net = Block()" + CALL)
    (tmp_path / "requirements.txt").write_text("opacus>=1.5.4\n")
    said = [f for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM414"]
    assert [f.span.line for f in said] == lines


def test_layers_given_to_the_constructor_of_a_sequential(tmp_path: Path) -> None:
    block = IN_SEQUENCE.replace("super().__init__()", "super().__init__(nn.Linear(2, 2), nn.ReLU(True))")
    assert found(tmp_path, f"{HEAD}{block.format('')}net = Block()") == [7]


def test_a_function_of_the_project(tmp_path: Path) -> None:
    act = "def act(h):\n    return h.relu_()\n\n\n"
    assert found(tmp_path, f"{HEAD}{act}{CLASS}        return act(self.conv(x))\n\n\nnet = Net()") == [6]


@pytest.mark.parametrize(("call", "lines"), [("act()", [16]), ("del act", [])])
def test_a_function_in_forward_changes_what_forward_holds(
    tmp_path: Path, call: str, lines: list[int]
) -> None:
    inner = "def act():\n            out.relu_()\n"
    body = f"out = self.conv(x)\n\n        {inner}\n        {call}\n        return out"
    assert found(tmp_path, f"{HEAD}{CLASS}        {body}\n\n\nnet = Net()") == lines


LOOP = (
    "act = nn.ReLU(inplace=True)\n"
    "for x, y in loader:\n    out = net(x)\n    {op}\n"
    "    F.cross_entropy(out, y).backward()\n    opt.step()\n"
)
HOOKED = "nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))"


def told_of_output(folder: Path, net: str, op: str, mode: str = "hooks") -> list[tuple[int, str]]:
    call = CALL.replace("max_grad_norm=1.0", f"max_grad_norm=1.0, grad_sample_mode='{mode}'")
    (folder / "train.py").write_text(f"{HEAD}net = {net}{call}{LOOP.format(op=op)}", encoding="utf-8")
    (folder / "requirements.txt").write_text("opacus>=1.5.4\n", encoding="utf-8")
    said = [f for f in api.scan(["."], cwd=folder).findings if f.rule == "DPM414"]
    return [(f.span.line, f.certainty) for f in said]


@pytest.mark.parametrize(
    ("net", "op", "mode"),
    [
        ("nn.Sequential(nn.Linear(4, 3), nn.Tanh())", "out += 1", "hooks"),
        (HOOKED, "out = out + 1\n    out += 1", "hooks"),
        (HOOKED, "out = out.clone()\n    out[:, 0] = 0", "hooks"),
        (HOOKED, "out = F.relu(out)\n    F.relu_(out)", "hooks"),
        (HOOKED, "out = F.dropout(out, 0.1, True)", "hooks"),
        (HOOKED, "out.data.add_(1)", "hooks"),
        (HOOKED, "total = 0\n    total += out", "hooks"),
        (HOOKED, "with torch.no_grad():\n        seen = net(x)\n        seen += 1", "hooks"),
        (HOOKED, "out.requires_grad_()", "hooks"),
        (HOOKED, "out += 1", "ew"),
        ("nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))", "pass", "no_op"),
    ],
)
def test_outputs_that_may_be_changed(tmp_path: Path, net: str, op: str, mode: str) -> None:
    assert told_of_output(tmp_path, net, op, mode) == []


@pytest.mark.parametrize(
    ("op", "said"),
    [
        ("out += 1", (11, "definite")),
        ("out = out.view(-1, 3)\n    out *= 2", (12, "definite")),
        ("F.relu_(out)", (11, "definite")),
        ("out = F.relu(out, inplace=True)", (11, "definite")),
        ("out = F.dropout(out, 0.1, True, True)", (11, "definite")),
        ("out.clamp_(-5, 5)", (11, "definite")),
        ("out[out < 0] = 0", (11, "definite")),
        ("out = act(out)", (8, "definite")),
        ("if x.any():\n        out += 1", (12, "possible")),
    ],
)
def test_the_output_of_a_private_model_changed_in_the_loop(
    tmp_path: Path, op: str, said: tuple[int, str]
) -> None:
    assert told_of_output(tmp_path, HOOKED, op) == [said]


@pytest.mark.parametrize(
    ("other", "told"),
    [("nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)", {"possible"}), ("nn.Linear(2, 2), LAYER", {"definite"})],
)
def test_what_one_of_several_models_does_is_possible(tmp_path: Path, other: str, told: set[str]) -> None:
    layer = "nn.ReLU(inplace=True)"
    text = (
        f"import sys\n{HEAD}\nnet = (\n    nn.Sequential(nn.Linear(2, 2), {layer})\n"
        f"    if len(sys.argv) > 1\n    else nn.Sequential({other.replace('LAYER', layer)})\n)\n"
    )
    (tmp_path / "train.py").write_text(text + CALL, encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("opacus>=1.5.4\n", encoding="utf-8")
    said = [f for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM414"]
    assert {f.certainty for f in said} == told
