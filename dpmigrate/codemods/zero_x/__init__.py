"""From Opacus 0.x, and other names that are gone.

``component``    one component of a project, moved as a whole
``engine``, ``arguments``, ``written``   the engine: what it was made with, by which names, what it becomes
``helper``       a function that attaches it for its caller
``model``        what is asked of the model by the names of its layers
``loader``, ``sizes``, ``steps``   the loops that step, their batches, and ``virtual_step``
``foreign_loaders``   what a loop reads that is no loader of torch
``passes``       where the model is called between the steps
``uses``         what else is asked of the engine
``names``, ``moved_names``   converters and inspectors; what is elsewhere now, by the table in the rule files
``words``        what to do by hand
"""
