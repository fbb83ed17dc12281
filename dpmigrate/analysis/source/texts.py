"""Words in the texts of the modules that an analysis has come to, of which more and more come."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

_LONG = 1_000_000
_PAYLOAD = re.compile(rb"[A-Za-z0-9+/=]{500,}")


@lru_cache(maxsize=4)
def without_payloads(text: bytes) -> bytes:
    """A text without what is no code: a picture among a notebook's outputs is a million letters in a row."""
    return _PAYLOAD.sub(b"", text) if len(text) > _LONG else text


class JoinedTexts:
    """The texts so far. Whether they hold something is asked again and again: each is looked through once."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._found: dict[bytes | re.Pattern[bytes], tuple[int, int]] = {}
        """For each word or pattern, in how many texts it was looked for, and how often it is there."""

    def add(self, text: bytes) -> None:
        """One more text."""
        self._texts.append(without_payloads(text))

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
