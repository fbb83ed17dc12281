"""Safe fixes and ignore comments as edits of documents. Nothing is written: the editor does that."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

from lsprotocol import types as lsp
from pygls.uris import from_fs_path
from pygls.workspace import TextDocument, Workspace

from dpmigrate.editor.findings import settings_of
from dpmigrate.workspace.discover import discover


def safe_fix(workspace: Workspace, document: TextDocument) -> lsp.WorkspaceEdit | None:
    """The safe fixes of a document as it is in the editor, with the pins that they need raised.

    None where no fix holds. Documents that are open are taken as they are there.
    """
    from dpmigrate import api

    path = Path(document.path)
    settings = settings_of(path)
    project = discover([str(path)], settings)
    unsaved = {
        str(Path(other.path).resolve()): other.source.encode("utf-8", "surrogatepass")
        for other in workspace.text_documents.values()
    }
    result = api.fix([str(path), *project.dependency_files], settings=settings, unsaved=unsaved)
    edits: list[lsp.TextDocumentEdit | lsp.CreateFile | lsp.RenameFile | lsp.DeleteFile] = []
    for shown, data in sorted(result.contents.items()):
        absolute = project.absolute(shown)
        uri = document.uri if absolute == str(path.resolve()) else from_fs_path(absolute)
        if uri is None:
            return None
        if not Path(absolute).exists():
            edits += [lsp.CreateFile(uri), _written(uri, data.decode("utf-8"))]
            continue
        edits.append(_rewritten(workspace.get_text_document(uri), data.decode("utf-8")))
    return lsp.WorkspaceEdit(document_changes=edits) if edits else None


def _written(uri: str, text: str) -> lsp.TextDocumentEdit:
    start = lsp.Position(0, 0)
    at = lsp.OptionalVersionedTextDocumentIdentifier(uri=uri, version=None)
    return lsp.TextDocumentEdit(at, [lsp.TextEdit(lsp.Range(start, start), text)])


def _rewritten(document: TextDocument, text: str) -> lsp.TextDocumentEdit:
    """The lines that differ, as edits of the document at the version that it has now."""
    old, new = document.lines, text.splitlines(keepends=True)
    edits: list[lsp.TextEdit | lsp.AnnotatedTextEdit | lsp.SnippetTextEdit] = [
        lsp.TextEdit(lsp.Range(lsp.Position(i, 0), lsp.Position(end, 0)), "".join(new[j:j_end]))
        for tag, i, end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if tag != "equal"
    ]
    at = lsp.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return lsp.TextDocumentEdit(at, edits)


def ignore(document: TextDocument, line: int, rule: str) -> lsp.WorkspaceEdit:
    """An ignore comment for a rule at the end of a line (from 0)."""
    text = document.lines[line].rstrip("\r\n")
    end = document.position_codec.position_to_client_units(document.lines, lsp.Position(line, len(text)))
    comment = lsp.TextEdit(lsp.Range(end, end), f"  # dpmigrate: ignore[{rule}]")
    return lsp.WorkspaceEdit(changes={document.uri: [comment]})
