"""What several rules need: how a workflow names a secret."""

from __future__ import annotations

SECRET = r"secrets(?:\.|\[\s*')"  # the name of a secret follows
STORED_KEY = SECRET + r"\w*AWS\w*(ACCESS|SECRET)\w*"
