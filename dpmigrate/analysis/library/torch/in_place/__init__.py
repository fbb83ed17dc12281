"""Operations in place after hooked layers, which raise since Opacus 1.5.4.

``operations``   the layers that a model's input goes through
``forward``      what a ``forward``, and what it calls, change of what they hold
``arms``         which arm of a test training comes to
``layers``       which layers the expressions of a ``forward`` mean
``outputs``      what a private model gave, changed by the code that trains it
``beneath``      what was detached and shares its numbers
``names``        which of torch's names change a tensor, and which give the same memory back
"""
