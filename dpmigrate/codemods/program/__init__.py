"""What a fix asks about an analysed program.

``facts``        parents, scopes, callers, what expressions were
``assignments``, ``binders``   what gives a variable its value, and what binds a name
``called_names`` which of a library's names a call calls
``ways``, ``every_way``   how scopes lead to one another, and what every way through some code passes
``places``       where an object lives, and how it gets from one scope to another
"""
