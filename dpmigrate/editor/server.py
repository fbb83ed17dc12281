"""The language server: what comes in, when to look, what goes out."""

from __future__ import annotations

import asyncio

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from dpmigrate import __version__
from dpmigrate.editor.findings import SAFE, SOURCE, VERIFY, advice, diagnostics, scan_opened
from dpmigrate.editor.fixes import ignore, safe_fix
from dpmigrate.editor.opened import opened
from dpmigrate.report.layout import clean
from dpmigrate.workspace.errors import UsageError

DELAY = 0.4
"""Seconds without a change after which a document is looked at."""


NOTEBOOKS = lsp.NotebookDocumentSyncOptions(
    notebook_selector=[lsp.NotebookDocumentFilterWithNotebook(notebook="jupyter-notebook")], save=True
)
"""With all of their cells, so that the index of a cell is the one in the file."""


class Server(LanguageServer):
    """Scans what is open, a moment after it changed, and keeps what it showed."""

    def __init__(self) -> None:
        super().__init__("dpmigrate", __version__, notebook_document_sync=NOTEBOOKS)
        self.shown: dict[str, list[lsp.Diagnostic]] = {}
        """What was shown in each document; the cells of a notebook are documents."""
        self.resolves = False
        """Whether the client asks for a code action's edit when it is chosen."""
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._looking = asyncio.Lock()

    def look_soon(self, uri: str, delay: float = DELAY) -> None:
        """Look at a file, or the notebook that a cell is in, after a while without another change."""
        file = opened(self.workspace, uri)
        if file is not None:
            self.forget(file.uri)
            self._waiting[file.uri] = asyncio.ensure_future(self._look(file.uri, delay))

    def forget(self, uri: str) -> None:
        """Do not look at a document or a notebook after all."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()

    async def _look(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        # One at a time: a scan takes a whole core.
        async with self._looking:
            file = opened(self.workspace, uri)
            if file is None:
                return
            try:
                result = await asyncio.to_thread(scan_opened, file)
                of_parts = diagnostics(file, result)
            except UsageError as error:
                self._say(lsp.MessageType.Warning, f"dpmigrate: {error}")
                of_parts = {part: [] for part in file.uris}
            except Exception as error:
                # The text may be anything while somebody types; the next change is looked at again.
                self._say(
                    lsp.MessageType.Error, f"dpmigrate: internal error: {type(error).__name__}: {error}"
                )
                return
        now = opened(self.workspace, uri)
        if now is None or now.version != file.version:
            return
        for part, of_part in of_parts.items():
            self.show(part, of_part)

    def show(self, uri: str, shown: list[lsp.Diagnostic]) -> None:
        """Show what was found in a document or a cell."""
        self.shown[uri] = shown
        version = self.workspace.get_text_document(uri).version
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri=uri, version=version, diagnostics=shown)
        )

    def show_nothing(self, uri: str) -> None:
        """Take back what was shown in a document that is closed."""
        self.shown.pop(uri, None)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    def _say(self, kind: lsp.MessageType, message: str) -> None:
        self.window_log_message(lsp.LogMessageParams(type=kind, message=clean(message)))


server = Server()


@server.feature(lsp.INITIALIZE)
def _initialize(ls: Server, params: lsp.InitializeParams) -> None:
    document = params.capabilities.text_document
    action = document.code_action if document is not None else None
    support = action.resolve_support if action is not None else None
    ls.resolves = support is not None and "edit" in support.properties


@server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
def _opened(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    ls.look_soon(params.text_document.uri, 0)


@server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
def _changed(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    ls.look_soon(params.text_document.uri)


@server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
def _saved(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    """What is saved is what the others see from disk: pins, callers, callees."""
    for uri in [*ls.shown, params.text_document.uri]:
        ls.look_soon(uri)


@server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
def _closed(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    ls.forget(params.text_document.uri)
    ls.show_nothing(params.text_document.uri)


@server.feature(lsp.NOTEBOOK_DOCUMENT_DID_OPEN)
def _notebook_opened(ls: Server, params: lsp.DidOpenNotebookDocumentParams) -> None:
    ls.look_soon(params.notebook_document.uri, 0)


@server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CHANGE)
def _notebook_changed(ls: Server, params: lsp.DidChangeNotebookDocumentParams) -> None:
    cells = params.change.cells
    structure = cells.structure if cells is not None else None
    for gone in (structure.did_close if structure is not None else None) or ():
        ls.show_nothing(gone.uri)
    ls.look_soon(params.notebook_document.uri)


@server.feature(lsp.NOTEBOOK_DOCUMENT_DID_SAVE)
def _notebook_saved(ls: Server, params: lsp.DidSaveNotebookDocumentParams) -> None:
    for uri in [*ls.shown, params.notebook_document.uri]:
        ls.look_soon(uri)


@server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CLOSE)
def _notebook_closed(ls: Server, params: lsp.DidCloseNotebookDocumentParams) -> None:
    ls.forget(params.notebook_document.uri)
    for cell in params.cell_text_documents:
        ls.show_nothing(cell.uri)


@server.feature(lsp.TEXT_DOCUMENT_HOVER)
def _hover(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    page = advice(ls.shown.get(params.text_document.uri, []), params.position)
    return None if page is None else lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, page))


@server.feature(
    lsp.TEXT_DOCUMENT_CODE_ACTION,
    lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix], resolve_provider=True),
)
async def _actions(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    uri = params.text_document.uri
    document = ls.workspace.get_text_document(uri)
    ours = [d for d in params.context.diagnostics if d.source == SOURCE and d.code != VERIFY]
    actions = []
    mended = [(d.code, d.range) for d in ls.shown.get(uri, ()) if d.data == SAFE]
    safe = [d for d in ours if (d.code, d.range) in mended]
    if safe:
        action = lsp.CodeAction(
            title="dpmigrate: apply the safe fixes of this file, and raise the pins that they need",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=safe,
            is_preferred=True,
            data=uri,
        )
        actions.append(action if ls.resolves else await _resolved(ls, action))
    actions += [
        lsp.CodeAction(
            title=f"dpmigrate: ignore {d.code} on this line",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=[d],
            edit=ignore(document, d.range.start.line, str(d.code)),
        )
        for d in ours
    ]
    return actions


@server.feature(lsp.CODE_ACTION_RESOLVE)
async def _resolved(ls: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    file = opened(ls.workspace, str(action.data))
    if file is not None:
        action.edit = await asyncio.to_thread(safe_fix, ls.workspace, file)
    return action
