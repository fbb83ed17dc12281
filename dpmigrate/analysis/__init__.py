"""From source text to TrainingRun: an abstract interpreter over LibCST trees.

``guards``       assumptions, and when they exclude one another
``values``, ``atoms``   what a variable can hold, and under which assumptions; ``ordering`` an order for it
``store``        variables, attributes and dict entries, branch by branch
``modules``, ``positions``   the project's modules, found by dotted name, parsed on demand; places in them
``tree``, ``mentions``   nodes, and the names that a piece of code mentions
``components``, ``texts``   which modules have to do with one another; words in their texts
``core``         the interpreter: frames, path condition, bounds, dispatch
``frames``       what one activation of a function knows
``statements``, ``flow``, ``exceptions``, ``expressions``, ``operators``, ``strings``, ``constants``
                 the Python language, by kind of node
``unrolling``, ``retried``   loops that are followed item by item, and those that try again
``narrowing``, ``outcomes``, ``kinds``   what a test tells: both branches, and the ways into them
``effects``      what the branch of an expression that is evaluated leaves behind
``patterns``     the cases of ``match``
``names``, ``attributes``, ``assignment``, ``items``, ``calls``, ``functions``, ``classes``, ``decorated``,
``managers``, ``holding``   what handlers share
``switches``, ``naming``   constants that somebody may turn round, and what a program names an unknown
``batches``      which loaders a value comes from, and what models were given
``per_example``, ``forwards``   whether a criterion gives one loss per example
``tolerated``, ``retired``   what a release has dropped, and whether the program does without
``library``      what the libraries' names mean (one package per library)
``ledger``       what leaves the analysis: typed records of events and of what they speak of
``describing``, ``sightings``, ``closing``   from values to the words of the ledger
``training``     TrainingRun, which collects the events of one run
``entering``, ``leading``, ``members``, ``left_out``   which functions and methods are entered, in what order,
                 and what was never come to
``program``      from the files of a project to its private training runs

Nothing in here knows a rule, and nothing in here imports or runs user code.
"""
