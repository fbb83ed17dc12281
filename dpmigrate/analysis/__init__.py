"""From source text to TrainingRun: an abstract interpreter over LibCST trees.

``guards``       assumptions, and when they exclude one another
``values``       what a variable can hold, and under which assumptions
``store``        variables, attributes and dict entries, branch by branch
``modules``, ``positions``   the project's modules, found by dotted name, parsed on demand; places in them
``components``   which modules have to do with one another
``core``         the interpreter: frames, path condition, bounds, dispatch
``statements``, ``flow``, ``expressions``   the Python language, by kind of node
``narrowing``, ``outcomes``   what a test tells: both branches, and the ways into them
``names``, ``attributes``, ``assignment``, ``calls``, ``functions``, ``classes``   what handlers share
``library``      what the libraries' names mean (one package per library)
``ledger``       what leaves the analysis: typed records of events and of what they speak of
``describing``   from values to the words of the ledger
``training``     TrainingRun, which collects the events of one run
``entering``     which functions and methods are entered, and in what order
``program``      from the files of a project to its private training runs

Nothing in here knows a rule, and nothing in here imports or runs user code.
"""
