"""The differential runner: a user's unchanged training script under a shim, mode against mode.

``api``          what other parts import (no torch); ``request`` what is to be verified
``child``        the process that runs everything else
``verify``, ``modes``, ``factory``   which runs of the script it takes, ``--compare``, or a model handed over
``processes``    how they start, what they share, how they end; ``private`` what they hand each other
``watching``     what is seen inside the script's process; ``records`` what one run leaves behind
``experiments``  a step made again, without an example or with a canary
``judging``      from records to checks and rules; ``figures`` how far a step is from the oracle
``places``       places in the user's code
"""
