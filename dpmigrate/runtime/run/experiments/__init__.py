"""Steps of the script made again with something changed, to see what comes of it.

``snapshots``, ``held``   a step run again, with the draws held
``removal``      without one example, or with another in its place
``audit``        with a canary; ``audit_bound`` what right and wrong guesses of it prove
"""
