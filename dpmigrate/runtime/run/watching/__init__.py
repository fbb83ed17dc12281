"""Inside the script's process: what Opacus, loaders and optimizers do there is seen and written down.

``shim``, ``patching``, ``state``   Opacus watched without a line of user code; ``swap`` in another mode
``engines``, ``optimizer``, ``own_clipping``, ``backward``, ``losses``, ``accounting``,
``generators``, ``warm_up``   what is watched
``loaders``, ``feed``, ``skips``, ``digest``   the batches, and who delivers them
``graph``, ``alone``   the oracle on the script's own graph, and each example sent alone
"""
