"""Tests of the report formats and of the pages of ``explain``."""
