"""Tests of the recipes and of the small changes of nodes that they are made of."""
