"""Rewrites of training code, one recipe per module, composed per training run and across files."""
