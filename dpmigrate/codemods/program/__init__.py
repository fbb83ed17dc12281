"""What a fix asks about an analysed program.

``facts``        parents, scopes, callers, what expressions were
``assignments``, ``binders``   what gives a variable its value, and what binds a name
``wrappers``      calls through what a decorator puts around a function
``called_names`` which of a library's names a call calls
``ways``, ``every_way``   how scopes lead to one another, and what every way through some code passes
``places``       names and parameters of a scope, and a line for what a call returns
``routes``       a variable handed into functions by the calls that lead there
"""
