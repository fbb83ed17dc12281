"""Tests of ``fix``: whole programs before and after."""
