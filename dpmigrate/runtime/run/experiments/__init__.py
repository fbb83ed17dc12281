"""Steps of the script made again with something changed, to see what comes of it.

``snapshots``, ``held``, ``removal``   a step run again, the draws held, without one example or with another
``audit``, ``audit_bound``   with a canary; what right and wrong guesses of it prove
"""
