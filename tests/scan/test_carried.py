"""Objects of a run are followed through whatever carries them: of two loaders the private one is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from opacus import PrivacyEngine
ABOVE
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
raw = DataLoader(torch.zeros(64, 4), batch_size=8)
m, o, private = PrivacyEngine().make_private(
    module=model, optimizer=optimizer, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0)
STORE
for x, y in LOADER:
    o.zero_grad()
    F.cross_entropy(m(x), y).backward()
    o.step()
"""
SURE = {
    "a dict by members of an Enum": (
        "import enum\nclass K(enum.Enum):\n    P = 1\n    R = 2",
        "t = {K.P: private}\nt[K.R] = raw",
        "t[K.P]",
        "t[K.R]",
    ),
    "a property that is indexed": (
        "class T:\n    def __init__(self, *both): self._x = both\n"
        "    @property\n    def p(self): return self._x[0]\n"
        "    @property\n    def r(self): return self._x[1]",
        "t = T(private, raw)",
        "t.p",
        "t.r",
    ),
    "properties that are set": (
        "class T:\n"
        "    @property\n    def p(self): return self._x\n    @p.setter\n    def p(self, x): self._x = x\n"
        "    @property\n    def r(self): return self._y\n    @r.setter\n    def r(self, y): self._y = y",
        "t = T()\nt.p, t.r = private, raw",
        "t._x",
        "t._y",
    ),
    "a setter that is inherited, and one that passes it on": (
        "class B:\n"
        "    @property\n    def p(self): return self._x\n    @p.setter\n    def p(self, x): self._x = x\n"
        "class T(B):\n    def __init__(self, p, r): self.p, self.r = p, r\n    def get(self): return self._x",
        "t = T(private, raw)",
        "t.get()",
        "t.r",
    ),
    "a list that a function is given to fill": (
        "def put(t, x): t.append(x)\ndef both(t, x, y):\n    put(t, x)\n    put(x=y, t=t)",
        "t = []\nboth(t, private, raw)",
        "t[0]",
        "t[1]",
    ),
    "a list of the module": ("T = []\ndef put(x): T.append(x)", "put(private)\nput(raw)", "T[0]", "T[1]"),
    "a list around a function": (
        "def make():\n    t = [None, None]\n    def put(i, x): t[i] = x\n    return put, lambda i: t[i]",
        "put, get = make()\nput(1, raw)\nput(0, private)",
        "get(0)",
        "get(1)",
    ),
    "attributes set by names": (
        "class T: pass",
        "t = T()\nfor n, v in zip('pr', (private, raw)): setattr(t, n, v)",
        "t.p",
        "t.r",
    ),
    "a dict of attributes": (
        "class T:\n    def __init__(self, **kw): self.__dict__.update(kw)",
        "t = T(p=private, r=raw)",
        "t.p",
        "t.r",
    ),
    "vars": ("class T: pass", "t = T()\nvars(t)['p'] = private\nvars(t)['r'] = raw", "t.p", "t.r"),
    "__getattr__": (
        "class T:\n    def __init__(self, inner): self.inner = inner\n"
        "    def __getattr__(self, name): return getattr(self.inner, name)\nclass I: pass",
        "i = I()\ni.p, i.r = private, raw\nt = T(i)",
        "t.p",
        "t.r",
    ),
    "__getitem__": (
        "class T:\n    def __init__(self, *a): self.x = {}\n    def __setitem__(self, k, v): self.x[k] = v\n"
        "    def __getitem__(self, k): return self.x[k]",
        "t = T()\nt['p'] = private\nt['r'] = raw",
        "t['p']",
        "t['r']",
    ),
    "__iter__": (
        "class T:\n    def __init__(self, *a): self.a = a\n    def __iter__(self):\n"
        "        yield self.a[0]\n        yield self.a[1]",
        "p, r = T(private, raw)",
        "p",
        "r",
    ),
    "__next__": (
        "class W:\n    def __init__(self, d): self.it = iter(d)\n    def __iter__(self): return self\n"
        "    def __next__(self): return next(self.it)",
        "",
        "W(private)",
        "W(raw)",
    ),
    "itemgetter": (
        "from operator import itemgetter",
        "p, r = itemgetter('p', 'r')({'p': private, 'r': raw})",
        "p",
        "r",
    ),
    "attrgetter": (
        "from operator import attrgetter\nfrom types import SimpleNamespace",
        "t = SimpleNamespace(p=private, r=raw)",
        "attrgetter('p')(t)",
        "attrgetter('r')(t)",
    ),
    "reduce": (
        "from functools import reduce",
        "p = reduce(lambda a, b: b, [raw, private])\nr = reduce(lambda a, b: b, [private, raw])",
        "p",
        "r",
    ),
    "two walruses": ("", "if (p := private) is not None and (r := raw) is not None:\n    pass", "p", "r"),
    "ChainMap": (
        "from collections import ChainMap",
        "t = ChainMap({'p': private}, {'r': raw, 'p': raw})",
        "t['p']",
        "t['r']",
    ),
    "ContextVar": (
        "from contextvars import ContextVar\nV = ContextVar('v')",
        "V.set((private, raw))",
        "V.get()[0]",
        "V.get()[1]",
    ),
}
PERHAPS = {
    "a tuple that is matched": (
        "",
        "match (private, raw):\n    case (p, r):\n        pass",
        "p",
        "r",
    ),
    "a dict that is matched": (
        "",
        "match {'p': private, 'r': raw}:\n    case {'p': p, 'r': r}:\n        pass",
        "p",
        "r",
    ),
    "a record that is matched": (
        "from dataclasses import dataclass\n@dataclass\nclass T:\n    p: object\n    r: object",
        "match T(private, raw):\n    case T(p, r=r):\n        pass",
        "p",
        "r",
    ),
}


def _rules(folder: Path, above: str, store: str, loader: str) -> set[tuple[str, str]]:
    text = PROGRAM.replace("ABOVE", above).replace("STORE", store).replace("LOADER", loader)
    findings = api.scan(cwd=lay_out(folder, train=text)).findings
    return {(f.rule, f.certainty) for f in findings if f.severity != "info"}


@pytest.mark.parametrize("carrier", [*SURE, *PERHAPS])
def test_the_private_loader_stays_the_private_one(tmp_path: Path, carrier: str) -> None:
    above, store, private, raw = {**SURE, **PERHAPS}[carrier]
    certainty = "definite" if carrier in SURE else "possible"
    assert _rules(tmp_path, above, store, private) == set()
    assert _rules(tmp_path, above, store, raw) == {("DPM301", certainty)}


DRAWN = """
def cycle(loader):
    while True:
        yield from loader

drawn = cycle(DRAWN)
other = cycle(OTHER)
for step in range(100):
    x, y = next(drawn)
    a, b = next(other)
    o.zero_grad()
    F.cross_entropy(m(x), y).backward()
    o.step()
"""


@pytest.mark.parametrize(
    ("drawn", "other", "told"),
    [
        ("private", "[]", set()),
        ("raw", "[]", {("DPM301", "definite")}),
        ("private", "raw", set()),  # the model gets the private ones
    ],
)
def test_batches_that_are_drawn_from_a_generator(
    tmp_path: Path, drawn: str, other: str, told: set[tuple[str, str]]
) -> None:
    head = PROGRAM.partition("STORE")[0].replace("ABOVE", "")
    text = head + DRAWN.replace("DRAWN", drawn).replace("OTHER", other)
    findings = api.scan(cwd=lay_out(tmp_path, train=text)).findings
    assert {(f.rule, f.certainty) for f in findings if f.severity != "info"} == told


MATCHED = """
import enum, sys
import torch
from torch import nn
from opacus import PrivacyEngine

class Kind(enum.Enum):
    PRIVATE = "private"
    PLAIN = "plain"

def train(kind: Kind, strict: bool = False):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = passed_in = torch.utils.data.DataLoader(torch.zeros(8, 4), batch_size=8)
    match SUBJECT:
        case CASE:
            model, optimizer, loader = PrivacyEngine().make_private(
                module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1, max_grad_norm=1)
        case _:
            pass
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

train(Kind(sys.argv[1]), "--strict" in sys.argv)
"""


@pytest.mark.parametrize(
    ("subject", "case"),
    [
        ("kind", "Kind.PRIVATE"),
        ("kind", "Kind.PRIVATE | None"),
        ("kind.value", "'private'"),
        ("kind", "Kind.PRIVATE if strict"),
        ("(kind, strict)", "(Kind.PRIVATE, True)"),
        ("kind", "x if x is Kind.PRIVATE"),
        ("{'kind': kind}", "{'kind': Kind.PRIVATE}"),
    ],
)
def test_the_cases_of_a_match_are_not_mixed(tmp_path: Path, subject: str, case: str) -> None:
    text = MATCHED.replace("SUBJECT", subject).replace("CASE", case)
    result = api.scan(cwd=lay_out(tmp_path, train=text))
    assert len(result.runs) == 1
    assert not [f for f in result.findings if f.certainty == "definite" and f.severity != "info"]
