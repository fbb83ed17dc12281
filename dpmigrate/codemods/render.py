"""Edited trees to new file contents."""

from __future__ import annotations

import ast
import warnings

import libcst as cst

from dpmigrate.codemods.edits import Edits, Withheld, rewrite
from dpmigrate.codemods.imports import add_imports, remove_unused, used_names
from dpmigrate.workspace.parse import is_lossless


def new_python(edits: Edits, exported: set[str]) -> str:
    """The module's text after its edits. Raises `Withheld` when it would not parse or lose bytes.

    ``exported`` holds the names that other modules import from this one.
    """
    module = edits.module
    if not is_lossless(module.tree, module.source):
        raise Withheld(
            "its text cannot be given back byte for byte (a form feed, or a lone carriage return at its end)",
            module,
        )
    before = used_names(module.tree)
    tree: cst.Module = rewrite(edits)
    tree = add_imports(tree, edits.imports)
    tree = remove_unused(tree, before, exported)
    text = tree.code
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError) as error:
            raise Withheld(f"the new text would not parse: {error}", module) from error
    return text
