"""Find, fix and verify privacy faults in Opacus training code."""

__version__ = "0.1.0"
