"""Variations of text alone: what the program is does not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

Variation = Callable[[cst.Module], cst.Module]


class OfArguments(cst.CSTTransformer):
    """Changes every call of two or more arguments."""

    def __init__(self, change: Callable[[list[cst.Arg]], list[cst.Arg]], opened: bool = False) -> None:
        super().__init__()
        self.change = change
        self.opened = opened

    def visit_FormattedString(self, node: cst.FormattedString) -> bool:
        return False

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if len(updated_node.args) < 2:
            return updated_node
        new = updated_node.with_changes(args=self.change(list(updated_node.args)))
        return new.with_changes(whitespace_before_args=broken("")) if self.opened else new


def broken(comment: str, above: str = "") -> cst.ParenthesizedWhitespace:
    """A line break inside brackets, with a comment at the end of the line and one on its own line."""
    end = cst.TrailingWhitespace(
        whitespace=cst.SimpleWhitespace("  " if comment else ""),
        comment=cst.Comment(comment) if comment else None,
    )
    lines = [cst.EmptyLine(comment=cst.Comment(above))] if above else []
    return cst.ParenthesizedWhitespace(end, lines, indent=True, last_line=cst.SimpleWhitespace("    "))


def keywords_reversed(module: cst.Module) -> cst.Module:
    def change(args: list[cst.Arg]) -> list[cst.Arg]:
        if any(a.keyword is None or a.star for a in args):
            return args
        return [
            a.with_changes(keyword=b.keyword, value=b.value)
            for a, b in zip(args, reversed(args), strict=True)
        ]

    return module.visit(OfArguments(change))


def commented(arg: cst.Arg) -> str:
    """The comment of an argument, which names it."""
    return f"# of {arg.keyword.value}" if arg.keyword is not None else "# plain"


def one_argument_per_line(module: cst.Module) -> cst.Module:
    def change(args: list[cst.Arg]) -> list[cst.Arg]:
        return [a.with_changes(comma=cst.Comma(whitespace_after=broken(commented(a)))) for a in args]

    return module.visit(OfArguments(change, opened=True))


def no_last_comma(module: cst.Module) -> cst.Module:
    def change(args: list[cst.Arg]) -> list[cst.Arg]:
        inner = [a.with_changes(comma=cst.Comma(whitespace_after=broken(commented(a)))) for a in args[:-1]]
        last = args[-1].with_changes(
            comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=broken(commented(args[-1]))
        )
        return [*inner, last]

    return module.visit(OfArguments(change, opened=True))


def comments_between_arguments(module: cst.Module) -> cst.Module:
    def change(args: list[cst.Arg]) -> list[cst.Arg]:
        following = [f"# above {a.keyword.value}" if a.keyword else "# above" for a in args[1:]] + [""]
        return [
            a.with_changes(comma=cst.Comma(whitespace_after=broken("", above)))
            for a, above in zip(args, following, strict=True)
        ]

    return module.visit(OfArguments(change, opened=True))


def comma_first(module: cst.Module) -> cst.Module:
    def change(args: list[cst.Arg]) -> list[cst.Arg]:
        comma = cst.Comma(whitespace_before=broken(""), whitespace_after=cst.SimpleWhitespace(" "))
        last = args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=broken(""))
        return [*(a.with_changes(comma=comma) for a in args[:-1]), last]

    return module.visit(OfArguments(change, opened=True))


def spaced_equals(module: cst.Module) -> cst.Module:
    sign = cst.AssignEqual(cst.SimpleWhitespace(" "), cst.SimpleWhitespace(" "))

    def change(args: list[cst.Arg]) -> list[cst.Arg]:
        return [a.with_changes(equal=sign) if a.keyword is not None else a for a in args]

    return module.visit(OfArguments(change))


class _Continued(cst.CSTTransformer):
    space = cst.SimpleWhitespace(" \\\n            ")

    def leave_AssignTarget(
        self, original_node: cst.AssignTarget, updated_node: cst.AssignTarget
    ) -> cst.AssignTarget:
        return updated_node.with_changes(whitespace_after_equal=self.space)

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.For:
        return updated_node.with_changes(whitespace_after_in=self.space)

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        return updated_node.with_changes(whitespace_after_import=self.space)


def continuation_lines(module: cst.Module) -> cst.Module:
    return module.visit(_Continued())


class _Parenthesised(cst.CSTTransformer):
    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        return updated_node.with_changes(value=_in_parentheses(updated_node.value))

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.For:
        return updated_node.with_changes(iter=_in_parentheses(updated_node.iter))

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> cst.Expr:
        if isinstance(updated_node.value, (cst.SimpleString, cst.Yield)):
            return updated_node
        return updated_node.with_changes(value=_in_parentheses(updated_node.value))

    def leave_Return(self, original_node: cst.Return, updated_node: cst.Return) -> cst.Return:
        if updated_node.value is None:
            return updated_node
        return updated_node.with_changes(value=_in_parentheses(updated_node.value))


def _in_parentheses(node: cst.BaseExpression) -> cst.BaseExpression:
    if node.lpar:
        return node
    opened = cst.LeftParen(whitespace_after=broken(""))
    closed = cst.RightParen(whitespace_before=broken("# end"))
    return node.with_changes(lpar=[opened], rpar=[closed])


def parenthesised(module: cst.Module) -> cst.Module:
    return module.visit(_Parenthesised())


class _Targets(cst.CSTTransformer):
    def __init__(self, brackets: bool) -> None:
        super().__init__()
        self.brackets = brackets

    def leave_AssignTarget(
        self, original_node: cst.AssignTarget, updated_node: cst.AssignTarget
    ) -> cst.AssignTarget:
        target = updated_node.target
        if not isinstance(target, cst.Tuple):
            return updated_node
        if self.brackets:
            return updated_node.with_changes(target=cst.List(target.elements))
        if target.lpar:
            return updated_node
        return updated_node.with_changes(
            target=target.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        )


def targets_in_parentheses(module: cst.Module) -> cst.Module:
    return module.visit(_Targets(brackets=False))


def targets_in_brackets(module: cst.Module) -> cst.Module:
    return module.visit(_Targets(brackets=True))


class _Semicolons(cst.CSTTransformer):
    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        return updated_node.with_changes(body=_joined(updated_node.body))

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        return updated_node.with_changes(body=_joined(updated_node.body))


def _joined(body: Sequence[cst.BaseStatement]) -> list[cst.BaseStatement]:
    """Three statements a line, where no comment stands between them."""
    joined: list[cst.BaseStatement] = []
    for line in body:
        above = joined[-1] if joined else None
        if (
            isinstance(line, cst.SimpleStatementLine)
            and isinstance(above, cst.SimpleStatementLine)
            and len(above.body) < 3
            and not line.leading_lines
            and above.trailing_whitespace.comment is None
        ):
            ends = line.trailing_whitespace
            joined[-1] = above.with_changes(body=[*above.body, *line.body], trailing_whitespace=ends)
        else:
            joined.append(line)
    return joined


def semicolons(module: cst.Module) -> cst.Module:
    return module.visit(_Semicolons())


class _OneLineSuites(cst.CSTTransformer):
    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.BaseSuite:
        lines = updated_node.body
        if len(lines) > 3 or not all(_is_bare(line) for line in lines) or updated_node.header.comment:
            return updated_node
        small = [s for line in lines if isinstance(line, cst.SimpleStatementLine) for s in line.body]
        return cst.SimpleStatementSuite(small)


def _is_bare(line: cst.BaseStatement) -> bool:
    return (
        isinstance(line, cst.SimpleStatementLine)
        and not any(above.comment for above in line.leading_lines)
        and line.trailing_whitespace.comment is None
    )


def one_line_suites(module: cst.Module) -> cst.Module:
    return module.visit(_OneLineSuites())


class _CommentedLines(cst.CSTTransformer):
    """Every statement has a comment above it and one at its end, no two alike."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine:
        self.count += 1
        end = updated_node.trailing_whitespace
        if end.comment is None:
            end = end.with_changes(
                comment=cst.Comment(f"# end {self.count}"), whitespace=cst.SimpleWhitespace("  ")
            )
        above = cst.EmptyLine(comment=cst.Comment(f"# above {self.count}"))
        lines = [*updated_node.leading_lines, above]
        return updated_node.with_changes(leading_lines=lines, trailing_whitespace=end)

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.For:
        self.count += 1
        above = cst.EmptyLine(comment=cst.Comment(f"# above {self.count}"))
        return updated_node.with_changes(leading_lines=[*updated_node.leading_lines, above])


def comments_everywhere(module: cst.Module) -> cst.Module:
    return module.visit(_CommentedLines())


class _BlankLines(cst.CSTTransformer):
    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine:
        blank = cst.EmptyLine(indent=False)
        return updated_node.with_changes(leading_lines=[blank, *updated_node.leading_lines])


def blank_lines(module: cst.Module) -> cst.Module:
    return module.visit(_BlankLines())


class _OtherQuotes(cst.CSTTransformer):
    def visit_FormattedString(self, node: cst.FormattedString) -> bool:
        return False

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        value = updated_node.value
        if value[0] not in "\"'" or (len(value) > 5 and value[1] == value[2] == value[0]):
            return updated_node
        text = value[1:-1]
        other = "'" if value[0] == '"' else '"'
        if other in text or "\\" in text:
            return updated_node
        return updated_node.with_changes(value=f"{other}{text}{other}")


def other_quotes(module: cst.Module) -> cst.Module:
    return module.visit(_OtherQuotes())


def tabs(module: cst.Module) -> cst.Module:
    return module.with_changes(default_indent="\t")


def two_spaces(module: cst.Module) -> cst.Module:
    return module.with_changes(default_indent="  ")


def windows_lines(module: cst.Module) -> cst.Module:
    return cst.parse_module(module.code.replace("\r\n", "\n").replace("\n", "\r\n").encode())


def no_last_newline(module: cst.Module) -> cst.Module:
    return module.with_changes(has_trailing_newline=False)


LAYOUTS: dict[str, Variation] = {
    change.__name__: change
    for change in (
        keywords_reversed,
        one_argument_per_line,
        no_last_comma,
        comments_between_arguments,
        comma_first,
        spaced_equals,
        continuation_lines,
        parenthesised,
        targets_in_parentheses,
        targets_in_brackets,
        semicolons,
        one_line_suites,
        comments_everywhere,
        blank_lines,
        other_quotes,
        tabs,
        two_spaces,
        windows_lines,
        no_last_newline,
    )
}
