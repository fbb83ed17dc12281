"""Inside the script's process: what Opacus, loaders and optimizers do there is seen and written down.

``shim``, ``patching``, ``state``, ``swap``   Opacus watched without a line of user code, in another mode too
``engines``, ``optimizer``, ``own_clipping``, ``backward``, ``losses``, ``accounting``, ``generators``,
``warm_up``, ``loaders``, ``feed``, ``skips``, ``digest``   what is watched; the batches, who delivers them
``graph``, ``alone``   the oracle on the script's own graph, and each example sent alone
"""
