"""The losses of an upgraded run: where they come from, and what is done with them.

``origins``      the calls of criteria behind a loss that goes backward
``homes``        the variable by which a criterion is called, followed back
``functional``   calls of functional losses
``uses``         what is done with losses, rewritten for those of the returned criterion
``in_dicts``     losses in a dict beside other things
``counted``      a mean that is written as a sum over the number of examples
``examples``     the number of examples, where the program can say it
``floats``       numbers where there were tensors of one number
``added_terms``  arithmetic on losses, and what to write instead
"""
