"""How long the sentences of a text are: what a reader of a page or a message must keep in mind.

A code span, a link's address and a table's bars are no words. A sentence ends at . ? or ! before
white space, and at the end of a paragraph, a list item, a heading or a cell.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Lengths(NamedTuple):
    """Words a sentence: half of them have at most `median`, nine of ten at most `most`."""

    median: int
    most: int
    longest: int


def sentences(markdown: str) -> list[list[str]]:
    """Return the sentences of a Markdown text, each as its words."""
    text = re.sub(r"(?ms)^( *)(```|~~~).*?^\1\2$", "\n\n", markdown)
    text = re.sub(
        r"(?s)<!--.*?-->|</?(picture|source|img|br|summary|details)\b[^>]*>", "\n\n", text
    )
    text = re.sub(r"(?m)\\$|^\|[ |:-]+\|$", "\n", text)
    text = re.sub(r"`[^`]*`", "code", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(?m)^#+ .*$|^\||(?<!\\)\|", "\n\n", text)
    text = re.sub(r"(?m)^ *([-*]|\d+\.) ", "\n\n", text)
    parts = re.split(r"\n\s*\n|(?<=[.?!])[)\"*_]*\s+", text)
    words = [re.findall(r"[^\W_][\w'.,/@:*-]*", part) for part in parts]
    return [each for each in words if len(each) > 2]


def lengths(*texts: str) -> Lengths:
    """Return how long the sentences of some texts are together."""
    counts = sorted(len(each) for text in texts for each in sentences(text))
    return Lengths(counts[len(counts) // 2], counts[len(counts) * 9 // 10], counts[-1])


def too_long(text: str, words: int = 35) -> list[str]:
    """Return the sentences of a text that have more words than that."""
    return [" ".join(each) for each in sentences(text) if len(each) > words]
