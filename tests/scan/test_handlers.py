"""Every handler of a library's name stands in a pair, if only of a loader that is handed through it.

A pair is one of ``fixtures/shapes``, one of `PAIRS`, or a fixture and its twin that is right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis import library, registry
from tests.fixtures_support import FIXTURES, fixtures
from tests.scan.ways import PAIRS
from tests.scan.ways.programs import HEAD

PROGRAM = (
    HEAD
    + """
import argparse
import asyncio
import collections
import concurrent.futures
import contextlib
import contextvars
import dataclasses
import functools
import itertools
import multiprocessing
import operator
import threading
import types
import typing

import accelerate
import joblib
import peft
import torch.multiprocessing

public = DataLoader(data(), batch_size=32)
net = nn.Linear(16, 4)
net, optimizer, private = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=public,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)


def train(source, *more):
    for x, y in source:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()


@dataclasses.dataclass
class Held:
    loader: object


Kept = collections.namedtuple("Kept", "loader")


async def handed(source, then=None):
    return source if then is None else then(source)


pool = concurrent.futures.ThreadPoolExecutor()
processes = multiprocessing.Pool(2)
"""
)
HANDED_ON = (
    "train(accelerate.Accelerator().prepare(LOADER))",
    "train(itertools.islice(itertools.cycle(LOADER), 5))",
    "train(itertools.chain(LOADER, itertools.chain.from_iterable([LOADER])))",
    "train(types.SimpleNamespace(kept=LOADER).kept)",
    "train(argparse.Namespace(kept=LOADER).kept)",
    "train(vars(types.SimpleNamespace(kept=LOADER))['kept'])",
    "for each in {'a': LOADER}.values():\n    train(each)",
    "for name, each in {'a': LOADER}.items():\n    train(each)",
    "kept = {'a': LOADER}\nfor name in kept.keys():\n    train(kept[name])",
    "functools.partial(train, LOADER)()",
    "train(__import__('typing').cast(object, LOADER))",
    "train(typing.cast(object, LOADER))",
    "train(Kept(LOADER).loader)",
    "train(dataclasses.replace(Held(None), loader=LOADER).loader)",
    "holder = types.SimpleNamespace()\nsetattr(holder, 'kept', LOADER)\ntrain(holder.kept)",
    "named = LOADER\ntrain(globals()['named'])",
    "list(map(train, [LOADER]))",
    "train(operator.itemgetter('kept')({'kept': LOADER}))",
    "train(operator.attrgetter('kept')(types.SimpleNamespace(kept=LOADER)))",
    "train(operator.methodcaller('pop')([LOADER]))",
    "train(functools.reduce(lambda first, last: last, [None, LOADER]))",
    "train(collections.ChainMap({}, {'kept': LOADER})['kept'])",
    "held = contextvars.ContextVar('held')\nheld.set(LOADER)\ntrain(held.get())",
    "for each, epoch in itertools.product([LOADER], range(2)):\n    train(each)",
    "threading.Thread(target=train, args=(LOADER,)).start()",
    "multiprocessing.Process(target=train, args=(LOADER,)).start()",
    "pool.submit(train, LOADER)",
    "train(pool.submit(lambda: LOADER).result())",
    "train(asyncio.run(asyncio.gather(handed(LOADER)))[0])",
    "asyncio.run(asyncio.to_thread(train, LOADER))",
    "asyncio.get_event_loop().run_until_complete(handed(LOADER, train))",
    "asyncio.get_event_loop().run_in_executor(None, train, LOADER)",
    "train(Kept._make([LOADER]).loader)",
    "processes.apply_async(train, (LOADER,))",
    "processes.map(train, [LOADER])",
    "torch.multiprocessing.spawn(lambda rank, each: train(each), args=(LOADER,))",
    "joblib.Parallel(n_jobs=2)(joblib.delayed(train)(each) for each in [LOADER])",
    "accelerate.notebook_launcher(train, (LOADER,))",
    "with contextlib.ExitStack() as stack:\n    train(stack.enter_context(contextlib.nullcontext(LOADER)))",
    "waiting = collections.deque([private])\nwaiting.appendleft(LOADER)\ntrain(waiting.popleft())",
    "table = {'loader': LOADER}\nname, each = table.popitem()\ntrain(each)",
    "types.MethodType(lambda self, each: train(each), object())(LOADER)",
)


def rules_of(folder: Path, loader: str, line: str) -> set[str]:
    program = PROGRAM + line.replace("LOADER", loader) + "\n"
    (folder / "train.py").write_text(program, encoding="utf-8")
    return {finding.rule for finding in api.scan(["."], cwd=folder, opacus=">=1.5.4").findings}


@pytest.mark.parametrize("line", HANDED_ON)
def test_handed_on_the_public_loader_is_found_and_the_private_one_is_not(line: str, tmp_path: Path) -> None:
    assert "DPM301" in rules_of(tmp_path, "public", line)
    assert "DPM301" not in rules_of(tmp_path, "private", line)


OTHERWISE = {
    "frameworks": {"_peft", "_unwrap"},
    "opacus.by_hand": {"_patch_opacus"},
    "opacus.layers": {"_fsdp"},
    "opacus.zero_x": {"_virtual_step", "_virtual_step_on_unknown"},
    "options": {"_chosen", "_group", "_suggested", "_typer_option"},
    "python.workers": {"_made_remote", "_remote"},
    "torch.coupling": {"_distances"},
    "torch.models": {"_wrapping_model"},
}
"""Handlers of which no pair speaks yet, by their module: none may be added."""


def handlers() -> dict[tuple[str, str], set[str]]:
    """The last names of what each handler is registered for, by its module and its own name."""
    library.load()
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    names = [(name.rpartition(".")[2], handler) for name, handler in registry.FUNCTIONS.items()]
    names += [(name, handler) for (_, name), handler in registry.METHODS.items()]
    names += [(name, handler) for (_, name), handler in registry.ATTRIBUTES.items()]
    for name, handler in names:
        module = handler.__module__.removeprefix(f"{library.__name__}.")
        found[module, handler.__name__].add(name)
    return found


def test_every_handler_stands_in_a_pair() -> None:
    sides = [path for f in fixtures() if f.has("clean") for path in (f.side("before"), f.side("clean"))]
    written = [*FIXTURES.glob("shapes/*/*.py"), *(path for side in sides for path in side.rglob("*.py"))]
    texts = [path.read_text(encoding="utf-8") for path in written]
    texts += [text for pair in PAIRS for text in (pair.program, pair.wrong, pair.right)]
    words = set(re.findall(r"\w+", "\n".join([*texts, *HANDED_ON])))
    missing: dict[str, set[str]] = defaultdict(set)
    for (module, handler), names in handlers().items():
        # What stands for every method, or for an operator, is in every program.
        spoken = names & words or any(name == "*" or name.startswith(("_", "<")) for name in names)
        if not spoken:
            missing[module].add(handler)
    assert dict(missing) == OTHERWISE
