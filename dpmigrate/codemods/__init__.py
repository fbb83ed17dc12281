"""From findings to jobs: edits on LibCST trees and of pins, or the reason why there are none.

``planner``      findings to jobs, by what they are about and the strategy
``options``, ``jobs``   what the user asked for; what is made or withheld as one
``upgrade_jobs``, ``strategies``, ``randomness``   the jobs of each kind
``upgraded_call``, ``upgrade``   one call that moves to the API of Opacus 1.5.3, and its recipes put together
``clipping_ghost``, ``unpack``, ``spread``, ``two_pass``, ``manual_pair``   its arguments, results, backward
                 passes
``criterion``    the criterion that it is given and returns: ``kept_criterion`` and ``own_criterion`` (the
                 project's), ``given_criterion``, ``held_criterion``, ``inline_criterion``,
                 ``functional_criterion``, ``functional_losses``, ``unconditional``
``ways_out``, ``returned_record``, ``entries``, ``annotations``   the wrapped criterion on its way out
``other_modes``  the same call in other modes
``losses``, ``added_terms``, ``uses``, ``floats``   where its losses come from, and what is done with them
``hooks``, ``set_to_none``, ``patch_core``   the recipes of the other strategies
``in_place``, ``shared_tensors``   operations in place behind hooked layers, and who else holds the tensor
``generators``, ``seed_generators``   the recipes about randomness
``zero_x``, ``zero_x_arguments``, ``zero_x_engine``, ``zero_x_helper``, ``zero_x_loader``, ``zero_x_model``,
``zero_x_names``, ``zero_x_sizes``, ``zero_x_steps``, ``zero_x_uses``, ``zero_x_words``, ``zero_x_written``,
``moved_names``  what is gone
``called_names``, ``checkpoints``   keywords that a later release sets itself
``pins``         which pins a job raises
``program_facts``, ``assignments``, ``binders``, ``homes``, ``places``, ``criteria``, ``ways``, ``every_way``
                 what they ask
``edits``, ``nodes``, ``imports``, ``listed``   how they change a tree

A recipe collects edits, and raises `edits.Withheld` for what it cannot follow.
"""
