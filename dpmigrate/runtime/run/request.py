"""What is to be verified, as the parent process hands it to the one that imports torch."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Target = Literal["script", "module", "factory"]

MODES = ("hooks", "ghost", "ew", "functorch")
"""The clipping modes that ``--compare`` can put side by side."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of ``dpmigrate verify``.

    ``target`` is a path, a dotted module name or ``module:function``, as ``kind`` says; ``steps``
    counts logical steps; ``timeout`` is in seconds and bounds each run of the script.
    ``engines`` is the number of private training runs to wait for, None to count them in the text.
    ``checks``: names of the checks to make (see ``model.CHECK_NAMES``), all when empty; runs of
    the script that only others need are left out. ``session`` names the launcher that all ranks share.
    ``audit``: attack the steps as well.
    ``in_place`` leaves what the script writes; ``stand_ins``: (name, file) of modules and data that it lacks.
    """

    kind: Target
    target: str
    args: tuple[str, ...] = ()
    steps: int = 3
    seed: int = 0
    compare: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    engines: int | None = None
    timeout: float = 600.0
    progress: bool = False
    session: str = ""
    in_place: bool = False
    audit: bool = False
    stand_ins: tuple[tuple[str, str], ...] = ()

    @property
    def command(self) -> str:
        """The command that asks for this."""
        words = ["dpmigrate", "verify"]
        for name in ("steps", "seed", "compare", "checks", "engines", "timeout"):
            value = getattr(self, name)
            if value != self.__dataclass_fields__[name].default:
                words += [f"--{name}", ",".join(value) if isinstance(value, tuple) else f"{value:g}"]
        words += [f"--{name.replace('_', '-')}" for name in ("in_place", "audit") if getattr(self, name)]
        words += [word for pair in self.stand_ins for word in ("--with", "=".join(pair))]
        words += {"module": ["-m"], "factory": ["--factory"]}.get(self.kind, [])
        return shlex.join([*words, self.target, *(["--", *self.args] if self.args else [])])

    def wants(self, *checks: str) -> bool:
        """Whether any of these checks is asked for."""
        return not self.checks or bool(set(checks) & set(self.checks))

    def write(self, path: Path) -> None:
        """Store as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Request:
        """What :meth:`write` stored."""
        data = json.loads(path.read_text(encoding="utf-8"))
        for name in ("args", "compare", "checks"):
            data[name] = tuple(data[name])
        data["stand_ins"] = tuple((name, path) for name, path in data["stand_ins"])
        return cls(**data)
