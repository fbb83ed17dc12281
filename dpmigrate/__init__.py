"""Find, fix and verify faulty ghost clipping in Opacus training code."""

__version__ = "0.1.0"
