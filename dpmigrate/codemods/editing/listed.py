"""What stands between the commas of a list: an item comes or goes, and every comment stays with its own.

The comma of an item holds, in LibCST, the rest of its line with the comment there, the comment lines above
the next item, and the next item's indentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import libcst as cst

Item = TypeVar("Item", bound=cst.CSTNode)
"""An argument, an element, an entry of a dict, a name of an import."""
Space = cst.BaseParenthesizableWhitespace


def without(items: Sequence[Item], place: int) -> list[Item]:
    """The items without the one at a place, with its comments."""
    gone = items[place]
    kept = [*items[:place], *items[place + 1 :]]
    if place == 0 or not kept:
        return kept
    before = kept[place - 1]
    above, below = (getattr(item, "comma", None) for item in (before, gone))
    if not isinstance(above, cst.Comma):
        return kept
    before_gone = above.whitespace_after
    if isinstance(below, cst.Comma):
        comma = below.with_changes(whitespace_after=_joined(before_gone, below.whitespace_after))
        if place < len(items) - 1:
            comma = comma.with_changes(whitespace_before=above.whitespace_before)
        kept[place - 1] = before.with_changes(comma=comma)
    elif isinstance(gone, cst.Arg):
        end = _joined(before_gone, gone.whitespace_after_arg)
        kept[place - 1] = before.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=end)
    elif _comment(before_gone) is None:
        kept[place - 1] = before.with_changes(comma=below)
    return kept


def before_first(call: cst.Call, gone: cst.Arg) -> Space:
    """What stands before the arguments of a call whose first one goes: lines above the second come along."""
    above, after = call.whitespace_before_args, gone.comma
    if isinstance(above, cst.ParenthesizedWhitespace) and isinstance(after, cst.Comma):
        below = after.whitespace_after
        return _joined(above, below) if isinstance(below, cst.ParenthesizedWhitespace) else above
    return above


def _joined(before: Space, after: Space) -> Space:
    """The end of a line as the item before has it, and from there on what followed the one that goes."""
    if isinstance(before, cst.ParenthesizedWhitespace):
        if isinstance(after, cst.ParenthesizedWhitespace):
            return after.with_changes(first_line=before.first_line)
        return before.with_changes(empty_lines=[]) if _comment(before) is not None else after
    if isinstance(after, cst.ParenthesizedWhitespace):
        bare = after.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
        return after.with_changes(first_line=bare)
    return after


def _comment(space: Space) -> cst.Comment | None:
    return space.first_line.comment if isinstance(space, cst.ParenthesizedWhitespace) else None


def split_comma(comma: cst.Comma) -> tuple[cst.Comma, cst.Comma]:
    """The commas of an item and of one put after it: comment lines stay above what followed."""
    space = comma.whitespace_after
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return comma, comma
    bare = space.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
    without_comments = space.with_changes(
        empty_lines=[line for line in space.empty_lines if line.comment is None]
    )
    return (
        comma.with_changes(whitespace_after=without_comments),
        comma.with_changes(whitespace_after=space.with_changes(first_line=bare)),
    )


def comments_of(call: cst.Call, place: int) -> tuple[list[str], str]:
    """The comment lines above one argument of a call, and the comment after it (empty: none)."""
    before = call.args[place - 1].comma if place else None
    above = before.whitespace_after if isinstance(before, cst.Comma) else call.whitespace_before_args
    lines = above.empty_lines if isinstance(above, cst.ParenthesizedWhitespace) else ()
    arg = call.args[place]
    comma = arg.comma.whitespace_after if isinstance(arg.comma, cst.Comma) else None
    behind = (_comment(comma) if comma is not None else None) or _comment(arg.whitespace_after_arg)
    return [line.comment.value for line in lines if line.comment], behind.value if behind else ""


def with_comments_of(args: Sequence[cst.Arg], others: Sequence[cst.Arg]) -> list[cst.Arg]:
    """The arguments, each with the comment that stands after another one."""
    return [_commented(arg, _behind(other)) for arg, other in zip(args, others, strict=True)]


def _behind(arg: cst.Arg) -> cst.Comment | None:
    at_comma = _comment(arg.comma.whitespace_after) if isinstance(arg.comma, cst.Comma) else None
    return at_comma or _comment(arg.whitespace_after_arg)


def _commented(arg: cst.Arg, comment: cst.Comment | None) -> cst.Arg:
    """The argument with this comment after it, where its line ends."""
    if isinstance(arg.comma, cst.Comma) and isinstance(
        space := arg.comma.whitespace_after, cst.ParenthesizedWhitespace
    ):
        return arg.with_changes(comma=arg.comma.with_changes(whitespace_after=_with(space, comment)))
    if isinstance(arg.whitespace_after_arg, cst.ParenthesizedWhitespace):
        return arg.with_changes(whitespace_after_arg=_with(arg.whitespace_after_arg, comment))
    return arg


def _with(space: cst.ParenthesizedWhitespace, comment: cst.Comment | None) -> cst.ParenthesizedWhitespace:
    gap = space.first_line.whitespace if space.first_line.comment else cst.SimpleWhitespace("  ")
    line = space.first_line.with_changes(
        comment=comment, whitespace=gap if comment else cst.SimpleWhitespace("")
    )
    return space.with_changes(first_line=line)
