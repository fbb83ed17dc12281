"""Tests of ``dpmigrate verify``: real training scripts on real Opacus releases."""
