"""From source text to TrainingRun: an abstract interpreter over LibCST trees.

``values``       what a variable can hold, and under which assumptions
``store``        variables, attributes and dict entries, branch by branch
``modules``      the project's modules, found by dotted name, parsed on demand
``core``         the interpreter: frames, path condition, bounds, dispatch
``statements``, ``expressions``, ``narrowing``, ``calls``, ``classes``   the Python language
``library``      what the libraries' names mean (one table per library)
``training``     TrainingRun and the events that happen to it
``program``      which modules, functions and methods are entered, and in what order

Nothing in here knows a rule, and nothing in here imports or runs user code.
"""
