"""What Opacus's names mean. Each module is one group of names; importing it registers its handlers.

``names``        where its releases have them
``engines``, ``making``, ``runs``, ``results``   the call, what it says, the run, what it returns
``objects``, ``wrapped_losses``, ``escapes``   the private objects, what they are asked, where they get lost
``pairs``, ``hooks_pairs``, ``by_hand``   runs without an engine
``reimplemented``   engines of the program's own that do what ``make_private`` does
``memory``, ``empty_batches``   batch memory managers, and batches that are left out
``norms``, ``adaptive``, ``flattened``   the clipping norm; adaptive clipping; losses of sequences
``accountants``  accountants, and noise by hand
``layers``, ``patches``   validators, layers and loaders; methods of Opacus that a program replaces
``zero_x``       the engine of Opacus 0.x

Sources: Opacus 1.5 to 1.6.0. ``make_private`` in ghost mode returns (model, optimizer, loader)
before 1.5.3 and (model, optimizer, criterion, loader) since; in every other mode three.
"""

from dpmigrate.analysis.registry import load_all

load_all(__name__, __path__)
