"""Terraform's language, as far as a checksum needs it: comments, blocks, white space."""

from __future__ import annotations

import re
from zlib import crc32


def strip_comments(text: str) -> str:
    """Return Terraform without comments and heredocs; every line keeps its number."""
    parts = r'("(?:\\.|[^"\\\n])*")|(?:#|//)[^\n]*|/\*.*?\*/|[<]{2}-?(\w+)\n.*?\n[ \t]*\2\b'
    return re.sub(parts, lambda part: part[1] or "\n" * part[0].count("\n"), text, flags=re.DOTALL)


def find_block(text: str, head: str) -> tuple[int, str]:
    """Return line (from 1) and text of the one block with a head; without a head, all of it."""
    starts_at = [match.start() for match in re.finditer(rf"(?m)^{re.escape(head)}\s*\{{\s*$", text)]
    last = f"\n{re.match(' *', head)[0]}}}"  # type: ignore[index]  # as far in as its head
    end = text.find(last, starts_at[0]) if len(starts_at) == 1 else -1
    if not head or end < 0:
        return 1, "" if head else text
    return text.count("\n", 0, starts_at[0]) + 1, text[starts_at[0] : end + len(last)]


def checksum(body: str) -> str:
    """Return a checksum of Terraform that ignores white space outside of texts."""
    text = r"(\"(?:\\.|[^\"\\\n])*\")|\s+"
    return f"{crc32(re.sub(text, lambda part: part[1] or '', body).encode()):08x}"
