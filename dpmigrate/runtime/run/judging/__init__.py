"""From what was written down to checks: what each run of the script proves, and the name of each fault.

``verdicts``, ``conduct``, ``noise_verdicts``, ``audit_verdict``   sums, what fed and moved the model, noise
``naming``, ``foreign``, ``peers``   the fault behind figures; clipping of the project's own; several ranks
"""
