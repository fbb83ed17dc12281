"""The differential runner: a user's unchanged training script under a shim, mode against mode.

``api``, ``request``, ``child``   what others import (no torch), what is to be verified, who runs the rest
``verify``, ``modes``, ``factory``   which runs of the script it takes, ``--compare``, or a model handed over
``processes``    how they start, what they share, how they end
``watching``, ``records``   what is seen inside the script's process, and what one run leaves behind
``experiments``  a step made again, without an example or with a canary
``judging``, ``figures``   from records to checks and rules; how far a step is from the oracle
``places``       places in the user's code
"""
