"""What runs on every way through a block."""

from __future__ import annotations

import libcst as cst
import pytest

from dpmigrate.codemods.program.every_way import always_passed


@pytest.mark.parametrize(
    ("test", "always"),
    [
        ('__name__ == "__main__"', True),
        ("'__main__' == __name__", True),
        ("True", True),
        ('__name__ != "__main__"', False),
        ('__name__ == "train"', False),
        ('__name__ in ("__main__", "train")', False),
        ("private", False),
    ],
)
def test_a_test_that_is_no_condition(test: str, always: bool) -> None:
    tree = cst.parse_module(f"if {test}:\n    made = 1\nmore = 2\n")
    branch = tree.body[0]
    assert isinstance(branch, cst.If)
    assert always_passed(tree.body, [branch.body.body[0]]) is always
