"""The differential runner: a user's unchanged training script under a shim, mode against mode.

``api`` is what other parts import (no torch); ``child`` is the process that runs everything else.
"""
