"""Words in texts that come one after the other."""

from __future__ import annotations

import re

from dpmigrate.analysis.source.texts import JoinedTexts


def test_what_comes_later_is_found_too() -> None:
    texts = JoinedTexts()
    assert not texts.hold(b"seed")
    texts.add(b"nothing here")
    assert not texts.hold(b"seed")
    texts.add(b"a seed")
    assert texts.hold(b"seed")
    assert not texts.hold(b"seed", times=2)
    texts.add(b"one seed, two seeds")
    assert texts.hold(b"seed", times=3)


def test_a_pattern_counts_once_in_each_text() -> None:
    texts, pattern = JoinedTexts(), re.compile(rb"in_?place")
    texts.add(b"inplace and in_place")
    assert texts.hold(pattern)
    assert not texts.hold(pattern, times=2)
    texts.add(b"in_place")
    assert texts.hold(pattern, times=2)
