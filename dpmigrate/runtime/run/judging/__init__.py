"""From what was written down to checks: what each run of the script proves, and the name of each fault.

``verdicts``, ``conduct``, ``noise_verdicts``   sums, what fed and moved the model, the noise
``naming``       from figures that disagree to the fault
``foreign``      clipping by a rule of the project's own; ``peers`` the ranks of one launcher
``audit_verdict``   ``--audit``
"""
