"""Files on disk to text and back: which files, reading, notebooks, suppressions, atomic writes.

LibCST is imported by :mod:`dpmigrate.workspace.parse` alone, and only when a file is parsed.
"""
