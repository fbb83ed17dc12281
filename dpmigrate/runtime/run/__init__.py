"""The differential runner: a user's unchanged training script under a shim, mode against mode.

``api``          what other parts import (no torch); ``request`` what is to be verified
``child``        the process that runs everything else; ``lifeline`` ends with the one that started it
``verify``, ``plan``, ``preload``   which runs of the script it takes, and what they share
``launch``, ``swap``, ``factory``   one run: the script as it is, in another mode, or a model handed over
``stand_ins``, ``footprint``, ``which_opacus``   what it lacks and leaves behind, and its Opacus
``errors``       how a script ended that raised
``ranks``, ``spawned``   several processes; ``private`` what other users cannot reach into
``shim``, ``patching``, ``state``   Opacus watched inside the script's process
``engines``, ``optimizer``, ``foreign``, ``backward``, ``losses``, ``accounting``,
``generators``, ``warm_up``   what is watched
``loaders``, ``feed``, ``skips``, ``digest``   the batches, and who delivers them
``graph``, ``alone``   the oracle on the script's own graph, and each example sent alone
``snapshots``, ``held``, ``removal``   a step run again, with the draws held, without one example
``audit``, ``audit_bound``, ``audit_verdict``   ``--audit``
``records``      what one run leaves behind
``verdicts``, ``conduct``, ``noise_verdicts``, ``naming``   from records to checks and rules
``advice``, ``pins``, ``places``   what the report says beside
``modes``        ``--compare``
"""
