"""From findings to jobs: edits on LibCST trees and of pins, or the reason why there are none.

``planner``      findings to jobs, by what they are about and the strategy
``options``, ``jobs``   what the user asked for; what is made or withheld as one
``pins``         which pins a job raises

What findings are about, one folder each; its ``jobs`` make them, the rest are recipes:

``upgrade``      ghost clipping on a faulty release, moved to the API of Opacus 1.5.3
``strategies``   the same, where the release stays
``randomness``   generators and seeds
``zero_x``       the engine of Opacus 0.x, and names that are gone

What the upgrade is made of:

``returned``     one call of ``make_private``, and the four objects on their way out of it
``criterion``    the criterion that it is given and returns
``losses``       where its losses come from, and what is done with them

What all of them stand on:

``program``      what a fix asks about an analysed program
``editing``      how a tree is changed

A recipe is a function that returns its edits (`editing.edits.ProjectEdits`), and raises `edits.Withheld`,
with the reason and what to do by hand, for what it cannot follow. What recipes share is frozen:
`UpgradedCall` is one call that is upgraded, `Wrapping` that call with what makes its losses. (`zero_x` is
older: its recipes add to the edits that they are given.) To add one to the upgrade:

1. A module in the folder of what it rewrites, with ``def recipe(upgrade: UpgradedCall) -> ProjectEdits`` in
   it: ``edits = ProjectEdits()``, then ``edits.of(module).change(node, ...)``, ``insert_before``,
   ``remove``. What another recipe returns is taken in by ``edits.extend(...)``; changes of one node are
   made in that order.
2. What it finds out that a later recipe needs it returns beside the edits, as `Wrapped` does.
3. A call of it in ``upgrade/moving.py``, or in the recipe that it is a part of.
"""
