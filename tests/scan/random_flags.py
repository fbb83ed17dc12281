"""Ways of keeping the answer of a test until it is asked for: what random programs hang their faults on."""

from __future__ import annotations

from collections.abc import Mapping

WAYS: Mapping[str, tuple[str, str]] = {
    "branch": ("{name} = False\nif {test}:\n    {name} = True", "{name}"),
    "word": ("{name} = 'yes' if {test} else 'no'", "{name} == 'yes'"),
    "table": ("{name} = {{'yes': True, 'no': False}}['yes' if {test} else 'no']", "{name}"),
    "kept": ("{name} = dict(on={test})", "{name}['on']"),
    "entry": ("{name} = {{}}\nif {test}:\n    {name}['on'] = 1", "'on' in {name}"),
    "entry got": ("{name} = {{}}\nif {test}:\n    {name}['on'] = 1", "{name}.get('on')"),
    "match": ("match {test}:\n    case True:\n        {name} = 1\n    case _:\n        {name} = 0", "{name}"),
    "handler": (
        "try:\n    if {test}:\n        raise KeyError\n    {name} = 0\nexcept KeyError:\n    {name} = 1",
        "{name}",
    ),
    "no handler": (
        "try:\n    if not ({test}):\n        raise KeyError\n"
        "except KeyError:\n    {name} = 0\nelse:\n    {name} = 1",
        "{name}",
    ),
    "finally": ("{name} = False\ntry:\n    {name} = {test}\nfinally:\n    {name} = not {name}", "not {name}"),
    "suppressed": (
        "{name} = True\nwith suppress(KeyError):\n    if {test}:\n        raise KeyError\n    {name} = False",
        "{name}",
    ),
    "nonlocal": (
        "def make_{name}():\n    on = False\n    def see():\n        nonlocal on\n        on = {test}\n"
        "    see()\n    return on\n{name} = make_{name}()",
        "{name}",
    ),
    "property": (
        "class Asked_{name}:\n    @property\n    def on(self):\n        return {test}\n"
        "{name} = Asked_{name}()",
        "{name}.on",
    ),
    "class attribute": (
        "class Flags_{name}:\n    on = False\nif {test}:\n    Flags_{name}.on = True",
        "Flags_{name}.on",
    ),
    "super": (
        "class Base_{name}:\n    def on(self):\n        return {test}\n"
        "class Own_{name}(Base_{name}):\n    def on(self):\n        return super().on()\n"
        "{name} = Own_{name}()",
        "{name}.on()",
    ),
    "partial": ("{name} = functools.partial(chosen, True, False)({test})", "{name}"),
    "recursion": (
        "def {name}(turns):\n    if turns == 0:\n        return {test}\n    return {name}(turns - 1)",
        "{name}(2)",
    ),
    "early return": ("def {name}():\n    if {test}:\n        return True\n    return False", "{name}()"),
    "return in a loop": (
        "def {name}():\n    for on in (True, False):\n        if on and not ({test}):\n            continue\n"
        "        return on",
        "{name}()",
    ),
    "comprehension": ("{name} = [each for each in (1,) if {test}]", "{name}"),
    "generator": (
        "def make_{name}():\n    if {test}:\n        yield 1\n{name} = next(make_{name}(), 0)",
        "{name}",
    ),
    "while": ("{name} = False\nwhile {test}:\n    {name} = True\n    break", "{name}"),
    "for else": (
        "for _ in range(2):\n    if {test}:\n        {name} = True\n        break\nelse:\n    {name} = False",
        "{name}",
    ),
    "star": ("{name} = starred(**({{'on': True}} if {test} else {{}}))", "{name}"),
    "list": ("{name} = []\nif {test}:\n    {name}.append(1)", "{name}"),
    "with": ("with nullcontext({test}) as {name}:\n    pass", "{name}"),
    "default": ("def {name}(on={test}):\n    return on", "{name}()"),
    "lambda": ("{name} = lambda: {test}", "{name}()"),
    "walrus": ("if {name} := {test}:\n    pass", "{name}"),
    "set on": ("setattr(args, '{name}', {test})", "args.{name}"),
    "number": ("{name} = int({test})", "{name} == 1"),
    "unpacked": ("_, {name} = 0, {test}", "{name}"),
    "none": ("{name} = 1 if {test} else None", "{name} is not None"),
    "changed": ("{name} = True\nif not ({test}):\n    del {name}\n    {name} = None", "{name}"),
    "callable": (
        "def on_{name}():\n    return True\ndef off_{name}():\n    return False\n"
        "{name} = on_{name} if {test} else off_{name}",
        "{name}()",
    ),
}
"""The lines that keep the answer of ``test`` under ``name``, and the expression that asks for it."""
LOSING = {
    "match",
    "handler",
    "no handler",
    "suppressed",
    "recursion",
    "return in a loop",
    "comprehension",
    "while",
    "for else",
    "star",
}
"""Those after which the answer may be either, for all that the analysis knows."""
KEEPING = sorted(set(WAYS) - LOSING)


def kept_answer(way: str, name: str, test: str) -> tuple[list[str], str]:
    """The lines before, and the expression that is as true as ``test`` is."""
    lines, asked = WAYS[way]
    return lines.format(name=name, test=test).split("\n"), asked.format(name=name)
