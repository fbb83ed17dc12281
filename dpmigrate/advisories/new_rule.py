"""The skeleton of a new advisory and of the fixture that shows its harm.

Run as ``python -m dpmigrate.advisories.new_rule DPM305 what-it-is`` (or ``make new-rule``) in a checkout.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from dpmigrate.advisories.catalogue import CatalogueError, advisories, folder

RULE = """\
+++
id = "{rule}"
name = "{name}"
summary = "one line: what is wrong"
severity = "error"
impact = "privacy"
affected = ""
reported = "default"
points-at = "the call of `make_private`"
references = ["https://opacus.ai/api/privacy_engine.html"]

[fix]
applicability = "none"
summary = "what to change by hand (with a fix: what it does, and by-hand = what to do where it is not made)"

[match]
subject = "run"
when = "ghost"
message = "what is wrong in {{mode}} mode, in one line"
+++

## What happens

What the code does, and what Opacus makes of it.

## Why it matters

What was measured, on which versions, against the oracle.

## Example

```python
pass
```

## Use instead

```python
pass
```

## Fix safety

What the fix changes about clipping, noise, sampling and epsilon.

## Versions

Which releases have the fault, and how that is known.

## References

- [what it goes by](https://opacus.ai/api/privacy_engine.html)
"""

EXPECT = """\
summary = "one line: what this project shows"
opacus = "1.6.0"
after_opacus = []
clean_opacus = ["1.6.0"]

[verify]
script = "train.py"
args = []

[[finding]]
rule = "{rule}"
path = "train.py"
line = 1
certainty = "definite"

[[harm]]
kind = "clipped-sum"
opacus = ["1.6.0"]
detail = "what goes wrong"
error_at_least = 0.01
"""


def create(rule: str, name: str, rules: Path) -> tuple[Path, Path]:
    """Write the advisory into the folder `rules` and its fixture beside it; the two files written.

    Raises CatalogueError when `rule` or `name` is taken or has another form than it must have.
    """
    if not re.fullmatch(r"DPM\d{3}", rule):
        raise CatalogueError(f"{rule!r} is not DPM and three digits.")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise CatalogueError(f"{name!r} is not made of lower-case words with hyphens between them.")
    for existing in advisories():
        if rule == existing.id or name == existing.name:
            raise CatalogueError(f"{existing.path.name} is there already.")
    advisory = rules / f"{rule}-{name}.md"
    expect = rules.parent / "fixtures" / name / "expect.toml"
    if expect.exists():
        raise CatalogueError(f"fixtures/{name} is there already.")
    advisory.write_text(RULE.format(rule=rule, name=name), encoding="utf-8")
    for side in ("before", "clean"):
        (expect.parent / side).mkdir(parents=True)
        (expect.parent / side / "requirements.txt").write_text("opacus==1.6.0\n", encoding="utf-8")
    expect.write_text(EXPECT.format(rule=rule), encoding="utf-8")
    return advisory, expect


def main() -> int:
    """Write what the command line asks for; 2 when that cannot be."""
    if len(sys.argv) != 3 or not all(sys.argv[1:]):
        print("usage: make new-rule ID=DPM305 NAME=what-it-is", file=sys.stderr)
        return 2
    try:
        written = create(sys.argv[1], sys.argv[2], folder())
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in written:
        print(f"wrote {path}")
    print("What [match] may name: python -m dpmigrate.advisories.vocabulary")
    print("Next: CONTRIBUTING.md, 'A new advisory'.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
