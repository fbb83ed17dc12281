"""Running the user's script in this process, under the shim, and writing down what came of it."""

from __future__ import annotations

import ast
import asyncio
import atexit
import builtins
import inspect
import linecache
import os
import runpy
import sys
import types
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from dpmigrate.runtime.run.places import STARTED_IN, is_library, shown_path
from dpmigrate.runtime.run.processes import spawned
from dpmigrate.runtime.run.processes.errors import note_error, print_traceback
from dpmigrate.runtime.run.processes.preload import torch_modules
from dpmigrate.runtime.run.processes.stand_ins import put_in_place
from dpmigrate.runtime.run.processes.which_opacus import script_folder, watch_import
from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.request import Request
from dpmigrate.runtime.run.watching.generators import seed_python
from dpmigrate.runtime.run.watching.shim import Shim
from dpmigrate.runtime.run.watching.state import RunSettings, StopTraining, Watch

EARLY = ".early"
"""Suffix of a record that is there in case the script never ends."""


def run_script(
    program: Callable[[], Any],
    stand_ins: Iterable[tuple[str, str]],
    settings: RunSettings,
    seed: int | None,
    out: Path,
    prepare: Callable[[Watch], None] | None = None,
) -> int:
    """Run ``program`` in this process and save a RunRecord to ``out``; returns the exit status to use.

    ``seed``: given to torch, random and NumPy first (plus the rank, as independent processes would
    have); None gives each fresh entropy. Never raises.
    """
    saved: list[RunRecord] = []

    def done(record: RunRecord) -> None:
        if not saved:
            _complete(record, base)
            spawned.joined(record, out).save(out)
            saved.append(record)

    def enough(record: RunRecord) -> None:
        _complete(record, base)
        record.save(out.with_suffix(EARLY))

    base = peak_memory()
    watch = Watch(settings, done)
    watch.on_enough = enough
    watch.folder = out.parent
    status = 0
    try:
        Shim(watch).install()
        spawned.install_spawn(watch, out, lambda record: _complete(record, base))
        # Raised by torch at whoever calls backward(), which is the shim now: the script cannot help it.
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        if prepare is not None:
            prepare(watch)
        _seed(seed)
        watch_import(watch.other_opacus)
        put_in_place(stand_ins)
        program()
    except StopTraining:
        pass
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        watch.record.outcome, watch.record.exit_code = "exited", status
        if not isinstance(leaving.code, int | None):
            watch.record.error = str(leaving.code)
    except BaseException as error:
        status = 1
        note_error(watch.record, error)
        if not saved:
            print_traceback(error)
    done(watch.record)
    if watch.at_end is not None:
        watch.at_end()
    # The script's own atexit functions belong to it; what they raise is printed by Python.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    return status


def run_target(request: Request) -> None:
    """Run the script, notebook or module that is to be verified as ``__main__``."""
    sys.argv = [request.target, *request.args]
    sys.path.insert(0, script_folder(request))
    if request.kind == "module":
        runpy.run_module(request.target, run_name="__main__", alter_sys=True)
        return
    path = Path(request.target)
    if b"tqdm.notebook" in path.read_bytes() and find_spec("ipywidgets") is None and find_spec("tqdm"):
        # Bars of a notebook need its front end.
        sys.modules["tqdm.notebook"] = import_module("tqdm.std")
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=str(path), __builtins__=builtins, __spec__=None, __cached__=None)
    sys.modules["__main__"] = main
    if path.suffix == ".ipynb":
        # What a shell command or a magic printed is nothing here: `files = !ls` finds no file.
        main.__dict__.update(display=print, get_ipython=_FrontEnd, ipython_magic=[])
        code = _notebook_code(path)
    else:
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    pending = eval(code, main.__dict__)
    if inspect.iscoroutine(pending):
        asyncio.run(pending)


def _notebook_code(path: Path) -> types.CodeType:
    """The notebook's cells as one code object, for a process that has no front end to draw in."""
    from dpmigrate.workspace.source import load_source

    text = load_source(str(path), Path.cwd()).python
    # Tracebacks would quote lines of the JSON otherwise.
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: types.CodeType = compile(text, str(path), "exec", flags, dont_inherit=True)
    return code


class _FrontEnd:
    """Stands for a notebook's front end, ``get_ipython()``: takes every call, and answers nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def _seed(seed: int | None) -> None:
    # A fork shares its parent's generators; a process of its own would not.
    if seed is None:
        torch.seed()
    else:
        seed += int(os.environ.get("RANK", "0"))
        torch.manual_seed(seed)
    seed_python(seed)


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    import resource  # not on every system, as fork() is not

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _complete(record: RunRecord, base: int) -> None:
    record.files, record.torch_modules = project_files(), torch_modules()
    record.rank = int(os.environ.get("RANK", "0"))
    record.world = int(os.environ.get("WORLD_SIZE", "1"))
    record.peak_bytes = max(0, peak_memory() - base)


def project_files() -> list[str]:
    """Python files of the user's project that this process loaded: below the folder, not installed."""
    paths = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    below = [p for p in paths if isinstance(p, str) and p and _is_below(p.rpartition("/")[0])]
    real = [Path(p).resolve() for p in below]
    return sorted({shown_path(str(r)) for r in real if r.is_file() and not is_library(str(r))})


@cache
def _is_below(folder: str) -> bool:
    """Whether a folder, links resolved, is the one that the command was started in or lies below it."""
    real = Path(folder).resolve()
    return STARTED_IN.resolve() in (real, *real.parents)
