"""Safe fixes and ignore comments as edits of documents. Nothing is written: the editor does that."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types as lsp
from pygls.uris import from_fs_path
from pygls.workspace import TextDocument, Workspace

from dpmigrate.editor.findings import settings_of_file
from dpmigrate.editor.opened import Opened, all_opened, opened
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.notebook_json import read_notebook
from dpmigrate.workspace.stretches import stretches_changed


def safe_fix(workspace: Workspace, file: Opened) -> lsp.WorkspaceEdit | None:
    """The safe fixes of a file as it is in the editor, with the pins that they need raised.

    None where no fix holds. Documents and notebooks that are open are taken as they are there.
    """
    from dpmigrate import api

    settings = settings_of_file(file.path)
    project = discover([str(file.path)], settings)
    result = api.fix(
        [str(file.path), *project.dependency_files], settings=settings, unsaved=all_opened(workspace)
    )
    edits: list[lsp.TextDocumentEdit | lsp.CreateFile | lsp.RenameFile | lsp.DeleteFile] = []
    for shown, data in sorted(result.contents.items()):
        absolute = project.absolute(shown)
        uri = file.uri if absolute == str(file.path.resolve()) else from_fs_path(absolute)
        if uri is None:
            return None
        document = opened(workspace, uri)
        if not Path(absolute).exists():
            edits += [lsp.CreateFile(uri), _written(uri, data.decode("utf-8"))]
        elif document is not None and document.cells is not None:
            edits += _of_cells(document.cells, data)
        else:
            edits.append(_rewritten(workspace.get_text_document(uri), data.decode("utf-8")))
    return lsp.WorkspaceEdit(document_changes=edits) if edits else None


def _of_cells(cells: tuple[TextDocument, ...], data: bytes) -> list[lsp.TextDocumentEdit]:
    """The cells of an open notebook that differ from those in its new bytes."""
    changed = [(cells[cell.index], cell.text) for cell in read_notebook(data).cells]
    return [_rewritten(document, new) for document, new in changed if document.source != new]


def _written(uri: str, text: str) -> lsp.TextDocumentEdit:
    start = lsp.Position(0, 0)
    at = lsp.OptionalVersionedTextDocumentIdentifier(uri=uri, version=None)
    return lsp.TextDocumentEdit(at, [lsp.TextEdit(lsp.Range(start, start), text)])


def _rewritten(document: TextDocument, text: str) -> lsp.TextDocumentEdit:
    """The lines that differ, as edits of the document at the version that it has now."""
    old, new = document.lines, text.splitlines(keepends=True)
    edits: list[lsp.TextEdit | lsp.AnnotatedTextEdit | lsp.SnippetTextEdit] = [
        lsp.TextEdit(lsp.Range(lsp.Position(i, 0), lsp.Position(end, 0)), "".join(new[j:j_end]))
        for i, end, j, j_end in stretches_changed(old, new)
    ]
    at = lsp.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return lsp.TextDocumentEdit(at, edits)


def ignore(document: TextDocument, line: int, rule: str) -> lsp.WorkspaceEdit:
    """An ignore comment for a rule at the end of a line (from 0)."""
    text = document.lines[line].rstrip("\r\n")
    end = document.position_codec.position_to_client_units(document.lines, lsp.Position(line, len(text)))
    comment = lsp.TextEdit(lsp.Range(end, end), f"  # dpmigrate: ignore[{rule}]")
    return lsp.WorkspaceEdit(changes={document.uri: [comment]})
