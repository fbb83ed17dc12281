"""Words in the texts of the modules that an analysis has come to, of which more and more come."""

from __future__ import annotations

import re
from itertools import islice


class JoinedTexts:
    """The texts so far. Whether they hold something is asked again and again: each is looked through once."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._found: dict[bytes | re.Pattern[bytes], tuple[int, int]] = {}
        """For each word or pattern, in how many texts it was looked for, and how often it is there."""

    def add(self, text: bytes) -> None:
        """One more text."""
        self._texts.append(text)

    def hold(self, wanted: bytes | re.Pattern[bytes], times: int = 1) -> bool:
        """Whether a word or a pattern is there so many times, a pattern once in each text at most."""
        done, count = self._found.get(wanted, (0, 0))
        for text in islice(self._texts, done, None):
            if count >= times:
                break
            count += text.count(wanted) if isinstance(wanted, bytes) else wanted.search(text) is not None
            done += 1
        self._found[wanted] = done, count
        return count >= times
