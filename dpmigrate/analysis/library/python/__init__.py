"""What Python's own names mean. Each module is one group of names; importing it registers its handlers.

``builtins``, ``containers``, ``filled``, ``records``, ``attribute_dicts``   functions, and what holds values
``getters``, ``iterating``   items and attributes by other means
``wrappers``, ``workers``, ``coroutines``   what calls functions for somebody
``ending``       what does not come back
``truths``       what answers True or False
``powers``       powers and roots
``drawn``, ``fixed``   what a clock or a random generator gives; what only looks so
"""

from dpmigrate.analysis.registry import load_all

load_all(__name__, __path__)
