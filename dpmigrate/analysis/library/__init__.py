"""What library names mean to the analysis: one module per library fills the tables of `registry`.

``python``, ``torch``, ``opacus``   one package each
``lightning``, ``trainers``, ``hydra``, ``frameworks``   who owns the loop, or hands the objects through
``options``, ``hyperparameters``   values that somebody sets from outside, or that Lightning keeps
``filled_in``    records of them that a library fills in
``gradients``, ``pending``, ``unused``   gradients on their way to the step, or to none
``feeding``      which loaders fed a step
``seeds``        whatever seeds torch's default generator
``epsilons``, ``records``   epsilons that a program works with; which records a run trains on
``rounds``, ``counters``, ``first_time``, ``passed``, ``trained_before``   what comes again, and what is
                 done once
``trained_plainly``   training without privacy before a run is made

Whatever stands in this folder is loaded: a new library is a new module here, and nothing else.
"""

from dpmigrate.analysis.registry import load_all


def load() -> None:
    """Import every module that is here, which registers its handlers."""
    load_all(__name__, __path__)
