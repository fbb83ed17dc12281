"""``dpmigrate server``: findings as one types, in the protocol that editors speak (LSP).

``opened``     what is open as the file that it stands for: a document, or a notebook with its cells
``findings``   an open file scanned with the rest of its project from disk, and what editors show of it
``fixes``      safe fixes and ignore comments as edits of documents
``server``     the protocol: what comes in, when to look, what goes out
"""
