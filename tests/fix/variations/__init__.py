"""The same programs written in other ways, for ``tests/fix/test_variations.py``.

``layout``       where text alone differs: order, line breaks, comments, indentation, semicolons
``structure``    other statements for the same thing: annotations, walrus, targets, nesting
``import_forms`` every way to import a name
``compare``      what two spellings of one program share, and where their comments are

A variation turns one module into another that does the same. It is applied to a program before the fix and to
what the fix makes of the plain program; both have to be alike.
"""
