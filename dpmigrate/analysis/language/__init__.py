"""The Python language, by kind of node; its handlers register with the interpreter.

``statements``, ``flow``, ``exceptions``, ``patterns``   statements
``expressions``, ``comprehensions``, ``operators``, ``strings``, ``sets``   expressions
``constants``, ``effects``   what they compute, and what they leave behind
``narrowing``, ``outcomes``   what a test tells: both branches, and the ways into them
``unrolling``, ``retried``, ``counting``   loops that are followed item by item, that try again, that count
``names``, ``attributes``, ``items``, ``assignment``, ``shared_lists``   where values are read and written
``calls``, ``arguments``, ``functions``, ``classes``, ``decorated``, ``managers``   what is called
``beside``       which calls have to do with no private run, and how far they are followed
``holding``      which objects are parts of which
``choices``, ``fields``   values that the user of a program sets, or of a record
``naming``       what a program names an unknown
"""
