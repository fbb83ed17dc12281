"""What torch's names mean. Each module is one group of names; importing it registers its handlers.

``names``        where its releases have them
``structure``    containers, wrappers, ``forward`` and attributes of modules
``tensors``, ``losses``, ``models``, ``parameters``, ``trainable``   what backward passes come from and go to
``optimizers``, ``stepping``   its optimizers, and their steps beside the private one
``data``, ``distributed``   loaders, samplers and data sets; several processes
``repeated``, ``oversampled``   records that stand in the data more than once
``randomness``, ``record_seeds``   generators; data sets that seed the default one
``coupling``, ``batch_norm``, ``batch_statistics``, ``padding``, ``ignored``   what couples examples
``chosen_by_batch``, ``looked_at``   losses chosen by their batch; numbers of which no loss is made
``sequences``, ``dimensions``, ``columns``   shapes, as the text of a ``forward`` has them
``outside``      parameters used outside their layer
``in_place``     operations in place after hooked layers
``checkpoints``  weights in files
"""

from dpmigrate.analysis.registry import load_all

load_all(__name__, __path__)
