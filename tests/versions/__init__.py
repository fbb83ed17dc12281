"""Reading and raising pins."""

from dpmigrate.versions.releases import FAULTY_GIT, between

MEMORY_MANAGER_FAULT = between("1.5", "1.5.3") | FAULTY_GIT
"""Versions where ghost clipping under the batch memory manager sums wrongly."""
