"""DPM120, raw-optimizer-stepped: a trainer of Hugging Face that steps what make_private was given."""

from __future__ import annotations

from tests.scan.ways.dpm123_trainers import GIVEN
from tests.scan.ways.programs import Pair

PAIRS = (Pair("DPM120", "trainer-with-what-was-passed-in", GIVEN, "plain", "optimizer"),)
