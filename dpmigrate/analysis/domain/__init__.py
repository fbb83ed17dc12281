"""The abstract domain: what a variable can hold, and under which assumptions.

``values``, ``atoms``   alternatives, each under its guard; what they are made of
``kinds``        what ``isinstance`` and ``hasattr`` tell of an atom
``joining``      what several branches wrote, slot by slot
``deferred``     what one branch alone made, guarded when it is read
``ordering``     an order that is the same in every process
``store``        variables, attributes and dict entries, branch by branch
"""
