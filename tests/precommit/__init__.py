"""Tests of the hooks for pre-commit."""
