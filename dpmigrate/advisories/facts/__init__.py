"""The named facts that conditions are made of: small questions about one subject, three-valued.

``general``      what registers a fact, and facts about the run itself
``adaptive``, ``coupling``, ``gradients``, ``losses``, ``loud``, ``optimizing``   clipping, losses, steps
``dealing``, ``parallel``, ``rounds``, ``sampling``   processes, rounds and loaders
``trials``       loops that train again, which ``sampling`` asks
``secure``, ``seeds``, ``seeded_behind``   randomness
"""
