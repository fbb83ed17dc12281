"""One call of ``make_private`` that is upgraded, and what it returns, on its way out.

``upgraded_call``   the call, as its recipes know it
``result``       where its result is taken apart
``unpack``, ``spread``   three targets become four, as do the arguments that the results are
``alternatives`` what is taken apart in its place on another way
``way_back``, ``ways_out``   out of functions, to the callers that make losses
``collected``    into collections, and out of them again
``annotations``, ``record``   tuples and records that grow with it
``entries``      whether one more object changes what is read of a tuple or dict
"""
