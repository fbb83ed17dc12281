"""The process that imports torch and Opacus: plans the runs of the script and writes the report.

Started by path (``python .../child.py REQUEST RESULT PARENT``) so that the user's own folder is nowhere
on ``sys.path`` before the script is. The result is JSON: ``{"report": ...}`` or ``{"no_verdict": ...}``.
Ends, puts back what the script overwrote and cleans up, when it is interrupted and when the process PARENT
is gone.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpmigrate.runtime.run.request import Request


def main(arguments: list[str]) -> int:
    """Verify what the request file asks for; always leaves a result file."""
    # Imports leave no garbage, and looking for some takes a fifth of their time. The runs switch it on again.
    gc.disable()
    _own_package_importable()
    from dpmigrate.runtime.run.processes.footprint import KEPT, taken_back
    from dpmigrate.runtime.run.processes.lifeline import follow_parent, interrupt
    from dpmigrate.runtime.run.request import Request
    from dpmigrate.workspace.private import write_whole

    request_path, result_path, parent = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    signal.signal(signal.SIGINT, _interrupt_once)
    signal.signal(signal.SIGTERM, _interrupt_once)
    follow_parent(parent, interrupt)
    try:
        request = Request.read(request_path)
        as_it_is = request.in_place or "RANK" in os.environ
        with nullcontext() if as_it_is else taken_back(Path.cwd(), request_path.with_name(KEPT)):
            result = _result(request)
    except KeyboardInterrupt:
        if os.getppid() != parent:
            # Nobody else is left to remove what the parent made for this process.
            shutil.rmtree(request_path.parent, ignore_errors=True)
        return 130
    write_whole(result_path, json.dumps(result))
    return 0


def _interrupt_once(_number: int, _frame: object) -> None:
    """Raise KeyboardInterrupt, and let no second signal disturb the cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _result(request: Request) -> dict[str, object]:
    from dpmigrate.runtime.run.processes.which_opacus import import_opacus

    for module, package in (("torch", "torch"), ("opacus", "Opacus")):
        try:
            if module == "torch":
                with _patient_threads(request):
                    __import__("torch")
            else:
                import_opacus(request)
        except ImportError as error:
            if error.name is not None and error.name.split(".")[0] != module:
                return {"no_verdict": f"{package} cannot be imported: {error}."}
            where = f"{package} is not installed in {sys.prefix}"
            way = "start dpmigrate in the environment that the script trains in, or pip install torch opacus"
            return {"no_verdict": f"{where}: {way}."}
    from dpmigrate.runtime.run.processes.plan import NoVerdict, Runner
    from dpmigrate.runtime.run.processes.ranks import rank, shared_folder, world

    # No TemporaryDirectory: its finalizer would run in every forked run of the script as well.
    folder = shared_folder(request) if world() > 1 else Path(tempfile.mkdtemp(prefix="dpmigrate-"))
    try:
        if rank() > 0:
            return _peer(request, folder)
        if request.kind == "factory":
            gc.enable()
            from dpmigrate.runtime.run.factory import verify_factory

            return {"report": verify_factory(request, folder)}
        if request.compare:
            from dpmigrate.runtime.run.modes import compare_modes

            return {"report": compare_modes(request, folder)}
        from dpmigrate.runtime.run.verify import verify

        return {"report": verify(Runner(request, folder))}
    except NoVerdict as reason:
        return {"no_verdict": str(reason)}
    finally:
        if rank() == 0:
            _release_peers(folder)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _patient_threads(request: Request) -> Iterator[None]:
    """Let torch's threads sleep while they wait, not spin: a fifth of a small verification, where others
    calculate beside it. They read it as they are loaded, and the script finds its environment as it was.
    """
    # Modes are compared as they would run.
    if request.compare or {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
        yield
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    try:
        yield
    finally:
        del os.environ["OMP_WAIT_POLICY"]


def _peer(request: Request, folder: Path) -> dict[str, object]:
    """A rank above 0: make the same runs, leave the records, say nothing."""
    from dpmigrate.runtime.run.processes.plan import NoVerdict, Runner
    from dpmigrate.runtime.run.processes.ranks import await_verdict
    from dpmigrate.runtime.run.verify import make_runs

    try:
        make_runs(Runner(request, folder))
    except NoVerdict as reason:
        # Rank 0 meets the same fault and reports it; this one helps to tell what differs.
        print(f"dpmigrate verify, rank {os.environ['RANK']}: {reason}", file=sys.stderr)
    await_verdict(folder, request.timeout)
    return {"silent": True}


def _release_peers(folder: Path) -> None:
    from dpmigrate.runtime.run.processes.ranks import VERDICT, world

    if world() > 1:
        (folder / VERDICT).touch()
        # Time for the other ranks to see it before the folder goes.
        time.sleep(0.5)


def _own_package_importable() -> None:
    """Make ``dpmigrate`` importable without putting anything before the user's own packages."""
    here = Path(__file__).resolve()
    sys.path[:] = [p for p in sys.path if Path(p or os.curdir).resolve() != here.parent]
    try:
        import dpmigrate  # noqa: F401
    except ImportError:
        sys.path.append(str(here.parents[3]))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    # Taking all that was imported apart again takes a fifth of the time that importing it took.
    os._exit(status)
