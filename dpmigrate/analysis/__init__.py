"""From source text to private training runs: an abstract interpreter over LibCST trees.

``source``       the project's modules, their trees, and quick looks at both
``guards``       assumptions, and when they exclude one another
``domain``       what a variable can hold, under which assumptions, and the store of variables
``core``, ``frames``   the interpreter: path condition, bounds, dispatch; one activation of a function
``notes``        what it remembers that no branch can change
``language``     the Python language, by kind of node
``batches``      which loaders a value comes from, and what models were given
``registry``     where the meaning of library names is looked up
``library``      what they mean (one package per library); ``loss_functions`` their losses by name
``roots``        which functions and methods are entered, in what order, and what was never come to
``training``, ``retired``, ``observations``   what is collected while it runs: the events of one run; what a
                 release has dropped; what each expression was seen to be
``ledger``       what leaves the analysis: typed records of events and of what they speak of
``describing``, ``closing``   from values to the words of the ledger
``program``      from the files of a project to its private training runs

Nothing in here knows a rule, and nothing in here imports or runs user code.
"""
