"""``--factory``: check a model, criterion and batch that a function of the user's hands over."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from dpmigrate.runtime.messages import error_line
from dpmigrate.runtime.run.processes import advice
from dpmigrate.runtime.run.processes.plan import NoVerdict, Runner
from dpmigrate.runtime.run.request import Request


def verify_factory(request: Request, folder: Path) -> dict[str, Any]:
    """The report of ``check_clipping`` on what ``module:function`` returns, or of the training that it is.

    The function takes no arguments and returns ``(model, criterion, batch)``, the same with a
    max grad norm at the end, a mapping of ``check_clipping``'s arguments, or a function without arguments
    that trains, which is verified as a script is. Raises NoVerdict with one sentence where it cannot be
    found, raises, or returns something else.
    """
    import torch

    from dpmigrate.runtime.parity import check_clipping
    from dpmigrate.runtime.run.verify import verify

    threads = torch.get_num_threads()
    # A program is run in forks, which have none of this process's threads.
    torch.set_num_threads(1)
    build = _function(request.target)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_REAL, request.timeout)
    try:
        built = build()
        if callable(built):
            signal.setitimer(signal.ITIMER_REAL, 0)
            return verify(Runner(request, folder, built))
        torch.set_num_threads(threads)
        given = _arguments(built)
        if request.audit:
            raise NoVerdict(
                "--audit needs a program that trains: a script, or a function that the factory returns"
            )
        options: dict[str, Any] = {"seed": request.seed, "steps": request.steps}
        if request.checks:
            options["checks"] = request.checks
        checked = check_clipping(**{**options, **given})
    except _OutOfTimeError as error:
        raise NoVerdict(
            f"{request.target} took longer than {request.timeout:g} seconds (see --timeout)"
        ) from error
    except NoVerdict:
        raise
    except Exception as error:
        hint = advice.for_error(error, [])
        said = f"{request.target} raised {error_line(error)}"
        raise NoVerdict(f"{said}; {hint}" if hint else said) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    body = checked.to_dict()
    if not any(c["passed"] is not None for c in body["checks"]):
        why = body["checks"][0]["detail"] if body["checks"] else "nothing was checked"
        raise NoVerdict(f"no check applies to what {request.target} returned: {why}")
    body["evidence"] = {"target": request.target, "command": request.command, "seed": request.seed}
    return body


class _OutOfTimeError(BaseException):
    """Raised by the alarm; no ``except Exception`` of the caller's code catches it."""


def _out_of_time(_number: int, _frame: object) -> None:
    raise _OutOfTimeError


def _function(target: str) -> Callable[[], Any]:
    module_name, _, name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        part_of_module: Any = import_module(module_name)
        for part in name.split("."):
            part_of_module = getattr(part_of_module, part)
    except ModuleNotFoundError as error:
        raise NoVerdict(f"there is no module {error.name!r} (needed for --factory {target})") from error
    except AttributeError as error:
        raise NoVerdict(f"{module_name} has no function {name!r}") from error
    except Exception as error:
        raise NoVerdict(f"importing {module_name} raised {error_line(error)}") from error
    if not callable(part_of_module):
        raise NoVerdict(f"{target} is no function")
    return part_of_module  # type: ignore[no-any-return]


def _arguments(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    names = ("model", "criterion", "batch", "max_grad_norm")
    if isinstance(given, (tuple, list)) and 3 <= len(given) <= 4:
        return dict(zip(names, given, strict=False))
    raise NoVerdict(
        "the factory must return (model, criterion, batch), (model, criterion, batch, max_grad_norm) or a "
        "function that trains"
    )
