"""Installs that a Dockerfile, a shell script or a Makefile runs: ``RUN pip install opacus==1.5.2``.

What such a file installs without naming a version says nothing that was not known; a version out of a
variable cannot be read. Both are passed over.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..pin import Parsed, Pin
from .installs import install_pin, installs_of, joined_lines

_BEFORE_COMMAND = re.compile(
    r"[ \t]*(?:RUN[ \t]+(?:--\S+[ \t]+)*)?[@+-]*[ \t]*(?:[A-Za-z_]\w*=[^\s;&|\"']*[ \t]+)*", re.I
)


def parse(path: str, text: str) -> Parsed:
    """The pins of a file of shell commands, one environment in the order of its commands."""
    pins: list[Pin] = []
    for start, line in joined_lines(text):
        if "opacus" not in line.lower() or line.lstrip().startswith("#"):
            continue
        before = _BEFORE_COMMAND.match(line)
        begin = before.end() if before else 0
        for install in installs_of(line[begin:], start + begin):
            try:
                pin = install_pin(path, text, install, "shell")
            except ValueError:
                continue
            if pin is not None and (pin.specifier or pin.git is not None):
                pins.append(replace(pin, text=install.word.content))
    return Parsed(tuple(pins))
