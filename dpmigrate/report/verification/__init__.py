"""The report of ``verify``, as ``--format json`` prints it, for people.

``text``     one table a private run
``page``     the same as a self-contained page, with the ``charts`` that it draws
"""
