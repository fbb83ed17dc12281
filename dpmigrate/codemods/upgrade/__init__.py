"""The ``upgrade`` strategy: ghost clipping moved to the API of Opacus 1.5.3, and the pins with it.

``jobs``         the calls that share code or pins, moved as one
``moving``       one call of ``make_private``, and all that hangs on it
``clipping_ghost``   its arguments
``two_pass``     both backward passes become one
``manual_pair``  a model and an optimizer that are made without an engine
``checkpoints``  keywords that a later release sets itself
``in_place``, ``shared_tensors``   operations in place after hooked layers, and who else holds the tensor
"""
