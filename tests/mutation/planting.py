"""Plants small faults into functions of some modules, one at a time, and says which no test sees.

A plugin: ``python -m pytest -n 0 -s -p tests.mutation.planting --plant MODULE.py tests/scan``. Each test
runs once with coverage, for the lines that it reaches. Then a fork for each fault runs the tests that reach
its line until one fails. Only what tests do in their own process counts, and only what stands in functions
is planted into. Kept tools (mutmut, cosmic-ray) run whole suites for each fault, and change annotations, too.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import random
import signal
import time
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
DIED = "died"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutation")
    group.addoption("--plant", action="append", default=[], help="a module, relative to the checkout")
    group.addoption("--faults", type=int, default=20, help="how many into each, drawn at random")
    group.addoption("--draw", type=int, default=0, help="seed of the draw")
    group.addoption("--reach", help="a file that keeps which test reaches which line, for the next time")
    group.addoption("--longest", type=int, default=60, help="seconds of tests for one fault")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Instead of the tests: the tests for each fault."""
    modules = session.config.getoption("--plant")
    if not modules:
        return None
    for module in modules:
        importlib.import_module(module.removesuffix(".py").replace("/", "."))
    count = session.config.getoption("--faults")
    longest = session.config.getoption("--longest")
    by_id = {item.nodeid: item for item in session.items}
    reached = _reached(session)
    for module in modules:
        text = (ROOT / module).read_text(encoding="utf-8")
        every = mutants(text)
        draw = random.Random(f"{module}{session.config.getoption('--draw')}")
        seen = []
        for mutant in sorted(draw.sample(every, min(count, len(every)))):
            names = [reached["tests"][n] for n in reached["lines"].get(module, {}).get(str(mutant.line), ())]
            # In any order: quick tests are those of which little is said.
            tests = [by_id[name] for name in sorted(names) if name in by_id]
            draw.shuffle(tests)
            start = time.monotonic()
            # A fault of which the tests die is one that they see.
            seen.append(bool(in_fork(partial(killed, module, text, mutant, tests, longest))))
            if not seen[-1]:
                told = f"{text[mutant.start : mutant.end]!r} -> {mutant.new!r}"
                spent = f"{len(tests)} tests, {time.monotonic() - start:.0f} s"
                print(f"  {module}:{mutant.line}: {mutant.what}: {told} ({spent})", flush=True)
        share = sum(seen) / max(1, len(seen))
        print(f"{module}: {sum(seen)} of {len(seen)} seen ({share:.0%}); {len(every)} in all", flush=True)
    return True


def _reached(session: pytest.Session) -> dict[str, Any]:
    kept: str | None = session.config.getoption("--reach")
    if kept and Path(kept).exists():
        return json.loads(Path(kept).read_text())
    reached = in_fork(lambda: reach(session.items))
    if reached == DIED:
        raise pytest.UsageError(
            "the process that ran the tests for their lines died: nothing is known of them"
        )
    if kept:
        Path(kept).write_text(json.dumps(reached))
    return reached


def in_fork(work: Callable[[], Any]) -> Any:
    """What ``work`` returns in a process of its own; ``DIED`` for one that dies."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1) if os.environ.get("PLANTING_DEBUG") else (0, 1, 2):
            os.dup2(null, stream)
        with os.fdopen(writing, "w") as pipe:
            json.dump(work(), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else DIED


def reach(items: list[pytest.Item]) -> dict[str, Any]:
    """For each module and line the numbers of the tests that reach it, and all tests by number."""
    import coverage

    watch = coverage.Coverage(data_file=None, include=[f"{ROOT}/dpmigrate/*"])
    watch.start()
    passed = set()
    for number, item in enumerate(items):
        watch.switch_context(str(number))
        if passes(item):
            passed.add(str(number))
    watch.stop()
    data = watch.get_data()
    lines = {
        str(Path(path).relative_to(ROOT)): {
            line: [int(n) for n in passed.intersection(names)]
            for line, names in data.contexts_by_lineno(path).items()
        }
        for path in data.measured_files()
    }
    return {"tests": [item.nodeid for item in items], "lines": lines}


def passes(item: pytest.Item) -> bool:
    """Whether a test passes; all that it needs is set up for it alone."""
    return all(report.passed for report in runtestprotocol(item, log=False, nextitem=None))


def killed(module: str, text: str, mutant: Mutant, items: list[pytest.Item], longest: int) -> bool:
    """Whether any of the tests fails with a fault planted into the functions that are loaded."""
    planted = compile(mutant.planted(text), str(ROOT / module), "exec", dont_inherit=True)
    new = {(code.co_firstlineno, code.co_name): code for code in codes(planted)}
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType) and function.__code__.co_filename == str(ROOT / module):
            code = new.get((function.__code__.co_firstlineno, function.__code__.co_name))
            if code is not None and code.co_freevars == function.__code__.co_freevars:
                function.__code__ = code
        elif isinstance(function, functools._lru_cache_wrapper):
            function.cache_clear()
    signal.alarm(10 * longest)
    start = time.process_time()
    for item in items:
        if not passes(item):
            return True
        if time.process_time() - start > longest:
            break
    return False


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)
