"""Tags: those of an image, and those that IAM, ECR and ECS take of resources.

Sources: OCI distribution specification, "Pulling manifests"; IAM, "Rules for tagging in IAM and AWS
STS".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

IMAGE_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
CHARACTERS = r"[\w \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000.:/=+\-@]*"  # of any script


def tag_errors(tags: dict[str, Any]) -> Iterator[str]:
    """Yield what AWS refuses of tags, given by their keys."""
    for key, value in tags.items():
        if not re.fullmatch(CHARACTERS, f"{key}{value or ''}"):
            yield f"the tag {json.dumps({key: value})} has a character that AWS does not accept"
        if not 0 < len(key) <= 128 or len(str(value or "")) > 256 or key.lower().startswith("aws:"):
            yield f"the tag {key[:40]!r} is empty, too long, or begins with aws:"
    if len(tags) > 50:
        yield f"there are {len(tags)} tags, but AWS accepts at most 50"
