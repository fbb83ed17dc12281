"""Lists that change under one name are read under another; what code that is not followed may do to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

RUN = "PrivacyEngine().make_private(m, o, d, grad_sample_mode="


def _modes(folder: Path, text: str) -> set[str]:
    above = "import sys\nfrom opacus import PrivacyEngine\nm = o = d = None\n"
    runs = api.scan(cwd=lay_out(folder, train=above + text)).runs
    return {mode for run in runs for mode in run.mode}


@pytest.mark.parametrize(
    ("above", "modes"),
    [
        ("def put(t, x): t.append(x)\nt = ['hooks']\nput(t, 'ghost')", {"ghost"}),
        ("def put(t, x): t[-1] = x\nt = ['hooks']\nput(t, 'ghost')", {"ghost"}),
        ("def put(t, x): t = [x]\nt = ['hooks']\nput(t, 'ghost')", {"hooks"}),
        ("def put(t, x): t = list(t); t.append(x)\nt = ['hooks']\nput(t, 'ghost')", {"hooks"}),
        (
            "def put(t, x):\n    if sys.argv[1:]: return\n    t.append(x)\nt = ['hooks']\nput(t, 'ghost')",
            {"hooks", "ghost"},
        ),
        (
            "class T:\n    t = []\n    def put(self, t, x): t.append(x)\nt = ['hooks']\nT().put(t, 'ghost')",
            {"ghost"},
        ),
        (
            "class T:\n    @staticmethod\n    def put(t, x): t.append(x)\nt = ['hooks']\nT.put(t, 'ghost')",
            {"ghost"},
        ),
        ("def put(x): t.append(x)\nt = ['hooks']\nput('ghost')", {"ghost"}),
        ("s = t = ['hooks']\nu = t\nu.append('ghost')", {"ghost"}),
        ("class T:\n    t = ['hooks']\ns = T.t\ns.append('ghost')\nt = T.t", {"ghost"}),
        ("t = [['hooks']]\nt[0][0] = 'ghost'\nt = t[0]", {"ghost"}),
        ("t = {'a': ['hooks']}\nt['a'][0] = 'ghost'\nt = t['a']", {"ghost"}),
        ("t = sorted(['hooks', 'ghost', 'ew'])", {"hooks"}),
        ("from collections import deque\nt = deque(['ew'])\nt.append('ghost')\nt.popleft()", {"ghost"}),
        ("t = ['hooks', 'ghost', 'ew']\nt.pop(0)\nt.pop()", {"ghost"}),
        ("t = sorted(['hooks', 'ghost'], key=len)", {"hooks", "ghost"}),
        ("t = list(filter(lambda mode: mode != 'hooks', ['ghost', 'hooks']))", {"ghost"}),
        ("t = list(filter(None, ['ghost', '']))", {"ghost"}),
        (
            "def instead(f): return lambda: ['ghost']\n@instead\ndef f(): return ['hooks']\nt = f()",
            {"hooks", "ghost"},
        ),
        ("def put(t): t += ['ghost']\nt = ['hooks']\nput(t)", {"ghost"}),
        ("def put(t): t = t + ['ghost']\nt = ['hooks']\nput(t)", {"hooks"}),
    ],
)
def test_who_holds_a_list_sees_what_becomes_of_it(tmp_path: Path, above: str, modes: set[str]) -> None:
    assert _modes(tmp_path, f"{above}\n{RUN}t[-1])\n") == modes


@pytest.mark.parametrize(
    ("between", "reached"),
    [
        ("import heapq\nheapq.heappush(jobs, 1)", True),
        ("from elsewhere import fill\nfill(into=jobs)", True),
        ("from elsewhere import box\nbox.jobs = jobs", False),
        ("print(jobs)", False),
        ("import logging\nlogging.info('%s', jobs)", False),
    ],
)
def test_an_empty_list_may_be_filled_by_code_that_is_not_followed(
    tmp_path: Path, between: str, reached: bool
) -> None:
    lines = ["jobs = []", *between.splitlines(), "while jobs:", f"    {RUN}'ghost')", f"{RUN}'hooks')"]
    text = "".join(f"    {line}\n" for line in lines)
    assert _modes(tmp_path, f"def main():\n{text}main()\n") == ({"ghost", "hooks"} if reached else {"hooks"})


@pytest.mark.parametrize("over", ["t", "enumerate(t)", "zip(t, range(9))"])
def test_a_loop_goes_over_what_it_adds_to_its_list(tmp_path: Path, over: str) -> None:
    target = "mode" if over == "t" else "mode, _" if over.startswith("zip") else "_, mode"
    loop = f"for {target} in {over}:\n    if len(t) < int(sys.argv[1]):\n        t.append('ghost')\n"
    assert {"hooks", "ghost"} <= _modes(tmp_path, f"t = ['hooks']\n{loop}{RUN}mode)\n")


@pytest.mark.parametrize(
    ("options", "modes"),
    [
        ("{'mode': 'ghost'}", {"ghost"}),
        ("{}", {"hooks"}),
        ("{'mode': 'ghost'} if len(sys.argv) > 1 else {}", {"ghost", "hooks"}),
        ("{}\noptions['mode'] = 'ghost'", {"ghost"}),
        ("{'mode': 'ghost'}\noptions.clear()", {"hooks"}),
        ("{'mode': 'ghost'}\ndel options['mode']", {"hooks"}),
        ("{'mode': 'ghost'}\noptions.pop('mode')", {"hooks"}),
        ("{'mode': 'ghost'}\noptions.popitem()", {"ghost", "hooks"}),
        ("{}\nfor key in sys.argv: options[key] = 'ghost'", {"ghost", "hooks"}),
        ("{}\nfrom elsewhere import fill\nfill(options)", {"ghost", "hooks"}),
    ],
)
def test_a_dict_without_entries_is_false(tmp_path: Path, options: str, modes: set[str]) -> None:
    made = "".join(f"    {line}\n" for line in f"options = {options}".splitlines())
    body = f"    if options:\n        {RUN}'ghost')\n    else:\n        {RUN}'hooks')\n"
    assert _modes(tmp_path, f"def main():\n{made}{body}main()\n") == modes


@pytest.mark.parametrize(
    ("total", "mode"),
    [("sum([2, 2]) == 4", "ghost"), ("sum([1], 5) == 6", "ghost"), ("sum([1, 2]) == 2", "hooks")],
)
def test_numbers_are_added_up(tmp_path: Path, total: str, mode: str) -> None:
    assert _modes(tmp_path, f"mode = 'ghost' if {total} else 'hooks'\n{RUN}mode)\n") == {mode}


@pytest.mark.parametrize(
    ("changed", "modes"),
    [
        ("vars(args).update({'mode': 'ghost'})", {"ghost"}),
        ("args.__dict__.update(mode='ghost')", {"ghost"}),
        ("args.__dict__['mode'] = 'ghost'", {"ghost"}),
        ("import yaml\nvars(args).update(yaml.safe_load(open('config.yaml')))", {"hooks", "?"}),
        ("vars(args)", {"hooks"}),
    ],
)
def test_attributes_that_are_written_as_entries(tmp_path: Path, changed: str, modes: set[str]) -> None:
    made = "from argparse import Namespace\nargs = Namespace(mode='hooks')"
    assert _modes(tmp_path, f"{made}\n{changed}\n{RUN}args.mode)\n") == modes


@pytest.mark.parametrize(
    ("comprehension", "mode"),
    [
        ("[mode for mode in ['hooks', 'ew']]", "ghost"),
        ("{mode: 1 for mode in ['hooks']}", "ghost"),
        ("[[mode for mode in more] for more in [['hooks']]]", "ghost"),
        ("[(mode := other) for other in ['hooks']]", "hooks"),
        ("[seen.append(mode) for mode in ['hooks']]\n    mode = seen[0]", "hooks"),
    ],
)
@pytest.mark.parametrize("where", ["local", "around"])
def test_what_a_comprehension_binds_is_bound_in_it_alone(
    tmp_path: Path, comprehension: str, mode: str, where: str
) -> None:
    if where == "around" and "mode = " in comprehension:
        comprehension = f"global mode\n    {comprehension}"
    bound = "seen = []\nmode = 'ghost'\n" if where == "around" else ""
    local = "    seen = []\n    mode = 'ghost'\n" if where == "local" else ""
    text = f"{bound}def main():\n{local}    {comprehension}\n    {RUN}mode)\nmain()\n"
    assert _modes(tmp_path, text) == {mode}
