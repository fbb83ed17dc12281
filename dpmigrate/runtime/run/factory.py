"""``--factory``: check a model, criterion and batch that a function of the user's hands over."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from dpmigrate.runtime.run.plan import NoVerdict
from dpmigrate.runtime.run.request import Request


def verify_factory(request: Request) -> dict[str, Any]:
    """The report of ``check_clipping`` on what ``module:function`` returns.

    The function takes no arguments and returns ``(model, criterion, batch)``, the same with a
    max grad norm at the end, or a mapping of ``check_clipping``'s arguments. Raises NoVerdict with
    one sentence where it cannot be found, raises, or returns something else.
    """
    from dpmigrate.runtime.parity import check_clipping

    build = _function(request.target)
    try:
        given = _arguments(build())
        checked = check_clipping(**{"seed": request.seed, **given})
    except NoVerdict:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise NoVerdict(f"{request.target} raised {type(error).__name__}: {text}") from error
    body = checked.to_dict()
    if not any(c["passed"] is not None for c in body["checks"]):
        why = body["checks"][0]["detail"] if body["checks"] else "nothing was checked"
        raise NoVerdict(f"no check applies to what {request.target} returned: {why}")
    body["evidence"] = {"target": request.target, "seed": request.seed}
    return body


def _function(target: str) -> Callable[[], Any]:
    module_name, _, name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        raise NoVerdict(f"there is no module {error.name!r} (needed for --factory {target})") from error
    except AttributeError as error:
        raise NoVerdict(f"{module_name} has no function {name!r}") from error
    except Exception as error:
        raise NoVerdict(f"importing {module_name} raised {type(error).__name__}: {error}") from error
    if not callable(found):
        raise NoVerdict(f"{target} is no function")
    return found  # type: ignore[no-any-return]


def _arguments(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    names = ("model", "criterion", "batch", "max_grad_norm")
    if isinstance(given, (tuple, list)) and 3 <= len(given) <= 4:
        return dict(zip(names, given, strict=False))
    raise NoVerdict(
        "the factory must return (model, criterion, batch) or (model, criterion, batch, max_grad_norm)"
    )
