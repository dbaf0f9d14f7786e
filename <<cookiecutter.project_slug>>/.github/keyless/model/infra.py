"""What Terraform makes of an entry, whether its files say so or a plan does."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from keyless.model.documents import as_list

LOGIN_ACTION = "ecr:GetAuthorizationToken"  # which knows no resource [ECR, Actions table]


class Infra(NamedTuple):
    """The registry and the role of an entry."""

    mutability: str
    excluded: list[str]  # filters for the tags that may move
    longest: int  # seconds that a session may last
    granted: list[str]  # actions
    lifecycle: Any  # the policy as JSON
    where: tuple[str, int] | None = None  # the plan or infra.json that says all of this

    def of_entry(self, entry: dict[str, Any]) -> Infra:
        """Return the same with the numbers that an entry has itself."""
        lifecycle = copy.deepcopy(self.lifecycle)
        numbers = {
            "untagged": entry.get("expire_untagged_after_days"),
            "tagged": entry.get("keep_newest_images"),
        }
        rules = lifecycle.get("rules") if isinstance(lifecycle, dict) else None
        for rule in as_list(rules):
            selection = rule.get("selection") if isinstance(rule, dict) else None
            if isinstance(selection, dict):
                number = numbers.get(str(selection.get("tagStatus")))
                selection["countNumber"] = number or selection.get("countNumber")
        longest = entry.get("max_session_duration") or self.longest
        return self._replace(longest=longest, lifecycle=lifecycle)
