"""Operations in place, and upgrades to releases on which they raise: what stays, then what changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import OLD, Folder

Make = Callable[..., Folder]

MODEL = """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.act = nn.ReLU(inplace=True)

    def keep(self, x):
        self.kept = self.conv(x)
        return self.kept

    def forward(self, x):
        {body}


train(Net(), torch.optim.SGD([], lr=0.1), [])
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("out = self.conv(x)\n        y = self.act(out)\n        return y + out", "is read again"),
        ("out = self.keep(x)\n        kept = out\n        out += x\n        return kept", "another name"),
        ("k = self.conv(x)\n        out = k\n        out += x\n        return out + k", "has another name"),
        ("k = (out := self.conv(x))\n        out += x\n        return out + k", "has another name"),
        (
            "k, out = 0, self.conv(x)\n        v = out.flatten(1)\n        out += x\n        return v",
            "another name",
        ),
        (
            "out = self.conv(x)\n        k = out\n        out = self.act(out)\n        return out + k",
            "has another name",
        ),
        (
            "self.h = self.conv(x)\n        k = self.h\n        self.h += x\n        return self.h + k",
            "has another name",
        ),
        (
            "out = self.conv(x)\n        def act():\n            out.relu_()\n        act()\n"
            "        return out",
            "keep what it returns",
        ),
        (
            "out = self.conv(x)\n        def act(t):\n            t.relu_()\n        act(out)\n"
            "        return out",
            "read again",
        ),
    ],
)
def test_what_is_read_by_another_name_goes_to_the_release_that_trains_it(
    folder: Make, body: str, said: str
) -> None:
    project = folder({"train.py": OLD + MODEL.format(body=body), "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert result.refused == ()
    assert any(said in notice for notice in result.notices)
    assert project.read("requirements.txt") == "opacus==1.5.3\n"
    assert body in project.read()
    assert project.fix().diff == ""


@pytest.mark.parametrize(
    "rest",
    [
        "kept = out\n        out += x\n        return out + kept",
        "part = out.narrow(1, 0, 1)\n        out += x\n        return part",
        "out[:, 0] = 0\n        return out",
        "out[:, 0] += 1\n        out[:, 1] = 0\n        return out",
        "out.lerp_(x, 0.5)\n        return out",
        "y = out.view(-1).add_(1)\n        return y + out",
        "seen = [out]\n        out += x\n        return seen[0] + out",
        "seen = []\n        seen.append(out)\n        out += x\n        return seen",
    ],
)
@pytest.mark.parametrize("target", ["out", "k = out"])
def test_what_has_other_names_is_changed_in_a_copy_that_all_of_them_mean(
    folder: Make, target: str, rest: str
) -> None:
    body = f"{target} = self.conv(x)  # new\n        {rest}"
    project = folder({"train.py": OLD + MODEL.format(body=body), "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert f"{target} = self.conv(x).clone()  # new\n        {rest}\n" in project.read()
    assert project.read("requirements.txt") == "opacus==1.5.4\n"
    assert project.fix().diff == ""


def test_a_linear_on_sequences_needs_the_release_on_which_it_would_raise(folder: Make) -> None:
    body = "k = self.conv(x)\n        out = k\n        out += x\n        return self.rows(out) + k"
    model = MODEL.replace("        self.act", "        self.rows = nn.Linear(4, 4)\n        self.act")
    project = folder({"train.py": OLD + model.format(body=body), "requirements.txt": "opacus==1.5.2\n"})
    before = project.snapshot()
    assert any("has another name" in reason for _, reason in project.fix(lower_bound="1.5.4").refused)
    assert project.snapshot() == before


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ("return self.act(self.conv(x))", "return self.act(self.conv(x))"),
        ("out = self.conv(x)\n        out += x  # why\n        return out", "out = out + x  # why\n"),
        ("out = self.conv(x)\n        out *= 1 + x\n        return out", "out = out * (1 + x)\n"),
        ("return self.conv(x).relu_()", "return self.conv(x).relu()\n"),
        ("return torch.relu_(self.conv(x))", "return torch.relu(self.conv(x))\n"),
        ("out = self.conv(x)\n        out.relu_()  # why\n        return out", "out = out.relu()  # why\n"),
        ("out = self.conv(x)\n        torch.relu_(out)\n        return out", "out = torch.relu(out)\n"),
        ("h = self.conv(x)\n        nn.functional.relu_(h)\n        return h", "h = nn.functional.relu(h)\n"),
        ("self.h = self.conv(x)\n        self.h += x\n        return self.h", "self.h = self.h + x\n"),
        ("self.h = self.conv(x)\n        self.h.relu_()\n        return self.h", "self.h = self.h.relu()\n"),
        ("h = self.conv(x)\n        h.mul_(2).add_(x)\n        return h", "h = h.mul(2).add(x)\n"),
        ("h, k = self.conv(x), x\n        h.add_(1)\n        return h + k", "h = h.add(1)\n"),
        ("y = torch.exp(h := self.conv(x))\n        h.add_(1)\n        return h + y", "h = h.add(1)\n"),
        (
            "out = self.conv(x)\n        k = out\n        out = self.conv(out)\n        out += k\n"
            "        return out",
            "out = out + k\n",
        ),
        ("out = self.conv(x)\n        out += x\n        k = out\n        return out + k", "out = out + x\n"),
        (
            "out = self.conv(x)\n        y = self.act(out)\n        out = x\n        return y + out",
            "y = self.act(out)\n",
        ),
    ],
)
def test_an_upgrade_takes_the_model_along(folder: Make, body: str, after: str) -> None:
    project = folder({"train.py": OLD + MODEL.format(body=body), "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert after in project.read()
    assert ("nn.ReLU()" in project.read()) == ("self.act(" in body)
    assert project.read("requirements.txt") == "opacus==1.5.4\n"
    assert project.fix().diff == ""


@pytest.mark.parametrize("line", ["import torch as t", "import torch.nn.functional as t"])
def test_a_function_is_no_method_whatever_its_module_is_called(folder: Make, line: str) -> None:
    body = "out = self.conv(x)\n        t.relu_(out)\n        return out"
    project = folder({"train.py": f"{line}\n{OLD}{MODEL.format(body=body)}"})
    assert project.fix().refused == ()
    assert "\n        out = t.relu(out)\n" in project.read()


def test_a_module_that_is_imported_in_the_function_is_no_tensor(folder: Make) -> None:
    body = "import torch.nn.functional as t\n        h = self.conv(x)\n        t.relu_(h)\n        return h"
    project = folder({"train.py": OLD + MODEL.format(body=body)})
    assert project.fix().refused == ()
    assert "\n        h = t.relu(h)\n" in project.read()


def test_a_librarys_model_goes_to_the_release_that_trains_it(folder: Make) -> None:
    text = f"{OLD}\n\nfrom torchvision.models import resnet18\n\ntrain(resnet18(), None, [])\n"
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert project.read("requirements.txt") == "opacus==1.5.3\n"
    assert project.fix().diff == ""


@pytest.mark.parametrize("layer", ["nn.ReLU(inplace=True)", "nn.ReLU(True)", "nn.Dropout(p, inplace=True)"])
def test_what_makes_a_layer_is_given_no_tensor(folder: Make, layer: str) -> None:
    model = f"\n\np = 0.5\nnet = nn.Sequential(nn.Linear(2, 2), {layer}, nn.Linear(2, 2), {layer})\n"
    text = f"{OLD}{model}train(net, torch.optim.SGD([], lr=p), [])\nprint(True)\n"
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    out = layer.replace("inplace=True", "").replace("True", "").replace(", )", ")")
    assert f"nn.Linear(2, 2), {out}, nn.Linear(2, 2), {out})" in project.read()
    assert project.read("requirements.txt") == "opacus==1.5.4\n"


HELPER = """

from layers import {imported}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x):
        {body}


train(Net(), torch.optim.SGD([], lr=0.1), [])
"""
LAYERS = """\
def skip(out, x):
    out += x
    return out


def twice(out, x):
    skip(out, x)
    skip(out, x=x)
"""


@pytest.mark.parametrize(
    ("imported", "body", "said"),
    [
        ("skip", "h = self.conv(x)\n        skip(h, x)\n        return h", "h is changed in place by skip()"),
        ("skip as add", "h = self.conv(x)\n        add(h, x)\n        return h", "in place by skip()"),
        ("skip", "h = self.conv(x)\n        skip(x=x, out=h)\n        return h", "in place by skip()"),
        (
            "twice",
            "h = self.conv(x)\n        twice(h, x)\n        return h",
            "out is changed in place by skip()",
        ),
        (
            "skip",
            "h = self.conv(x)\n        h = skip(h, x)\n        return list(map(skip, [h], [x]))",
            "handed on here",
        ),
    ],
)
def test_a_caller_in_another_module_that_reads_on_keeps_its_tensor(
    folder: Make, imported: str, body: str, said: str
) -> None:
    text = OLD + HELPER.format(imported=imported, body=body)
    project = folder({"train.py": text, "layers.py": LAYERS, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert result.refused == ()
    assert any(said in notice for notice in result.notices), result.notices
    assert project.read("requirements.txt") == "opacus==1.5.3\n"
    assert project.read("layers.py") == LAYERS


@pytest.mark.parametrize("imported", ["skip", "skip as add"])
def test_a_caller_in_another_module_that_keeps_the_result_is_followed(folder: Make, imported: str) -> None:
    body = f"h = {imported.split()[-1]}(self.conv(x), x)\n        return h"
    text = OLD + HELPER.format(imported=imported, body=body)
    layers = LAYERS.partition("\n\n\n")[0] + "\n"
    project = folder({"train.py": text, "layers.py": layers, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert "    out = out + x\n" in project.read("layers.py")
    assert project.read("requirements.txt") == "opacus==1.5.4\n"


@pytest.mark.parametrize(
    ("made", "after"),
    [
        ("nn.LeakyReLU(0.1, inplace)", "nn.LeakyReLU(0.1)"),
        ("nn.Dropout(0.1, inplace=inplace)", "nn.Dropout(0.1)"),
        ("nn.Hardtanh(-1.0, 1.0, inplace)", "nn.Hardtanh(-1.0, 1.0)"),
        ("partial(nn.ReLU, inplace=inplace)()", "partial(nn.ReLU, inplace=inplace)(inplace=False)"),
    ],
)
@pytest.mark.parametrize("default", ["True", "False"])
def test_a_flag_that_comes_by_a_default_is_seen(folder: Make, made: str, after: str, default: str) -> None:
    model = MODEL.format(body="return self.act(self.conv(x))").replace("nn.ReLU(inplace=True)", made)
    text = f"from functools import partial\n{OLD}{model}".replace(
        "    def __init__(self):", f"    def __init__(self, inplace={default}):"
    )
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert f"self.act = {after if default == 'True' else made}\n" in project.read()
    assert project.read("requirements.txt") == "opacus==1.5.4\n"


def test_a_flag_in_a_dict_is_named(folder: Make) -> None:
    model = MODEL.format(body="return self.act(self.conv(x))").replace("inplace=True", "**LAYER")
    text = f"{OLD}\n\nLAYER = {{'inplace': True}}\n{model}"
    project = folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})
    assert any("leave inplace out of what this call is given" in n for n in project.fix().notices)
    assert project.read("requirements.txt") == "opacus==1.5.3\n"


LOOP = """import torch
import torch.nn.functional as F
from opacus import PrivacyEngine
from torch import nn

net = nn.Linear(4, 3)
act = nn.ReLU(inplace=True)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
net, opt, loader = PrivacyEngine().make_private(
    module=net, optimizer=opt, data_loader=DATA, noise_multiplier=1.0, max_grad_norm=1.0
)
for x, y in loader:
    out = net(x)
    {op}
    F.cross_entropy(out, y).backward()
    opt.step()
"""


@pytest.mark.parametrize(
    ("op", "said"),
    [
        ("kept = out\n    out += 1\n    print(kept)", ""),
        ("out = out.view(-1, 3)\n    kept = out\n    out += 1\n    print(kept)", "another name"),
        ("act(out)", "read again"),
        ("part = out.view(-1)\n    part += 1", "another name"),
    ],
)
def test_a_models_output_with_other_names(folder: Make, op: str, said: str) -> None:
    project = folder({"train.py": LOOP.format(op=op), "requirements.txt": "opacus==1.5.4\n"})
    result = project.fix()
    if said:
        assert project.read() == LOOP.format(op=op)
        assert said in result.refused[0][1]
    else:
        assert project.read() == LOOP.format(op=op).replace("net(x)", "net(x).clone()")


@pytest.mark.parametrize(
    ("op", "after"),
    [
        ("out += 1", "out = out + 1"),
        ("out = out.view(-1, 3)\n    out += 1", "out = out.view(-1, 3)\n    out = out + 1"),
        ("F.relu_(out)", "out = F.relu(out)"),
        ("out = act(out)", "out = act(out)"),
    ],
)
def test_a_models_output_is_made_anew(folder: Make, op: str, after: str) -> None:
    project = folder({"train.py": LOOP.format(op=op), "requirements.txt": "opacus==1.5.4\n"})
    assert project.fix().refused == ()
    flag = "inplace=True" if "act(" not in op else ""
    assert project.read() == LOOP.format(op=after).replace("inplace=True", flag)
    assert project.fix().diff == ""
