"""The end of an analysis: what the interpreter knows becomes the ledger.

``records``      runs and objects
``sightings``    what each expression was seen to be
``per_example``, ``forwards``   whether a criterion gives one loss per example
"""
