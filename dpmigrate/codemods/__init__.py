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

A recipe collects edits, and raises `edits.Withheld` for what it cannot follow.
"""
