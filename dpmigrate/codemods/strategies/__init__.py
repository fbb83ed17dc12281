"""Ways to mend ghost clipping that keep the release.

``jobs``         who asks for which
``hooks``        back to standard clipping
``set_to_none``  gradients that are None after each step
``patch_core``   the faulty core repaired when the program runs
"""
