"""Lifecycle policies of ECR: what it takes [ECR, "Lifecycle policy properties"]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

BY_COUNT = "imageCountMoreThan"
BY_AGE = ("sinceImagePulled", "sinceImagePushed", "sinceImageTransitioned")  # counted in days
ACTIONS = ({"type": "expire"}, {"type": "transition", "targetStorageClass": "archive"})
KEYS = {"rulePriority", "description", "selection", "action"}
SELECTION_KEYS = {
    *("tagStatus", "tagPatternList", "tagPrefixList", "storageClass"),
    *("countType", "countUnit", "countNumber"),
}
MOST_RULES, MOST_WILDCARDS = 50, 4  # of a policy [ECR quotas]; of a pattern


def grammar_errors(policy: Any) -> Iterator[str]:
    """Yield what ECR refuses of a lifecycle policy, given as the value of its JSON."""
    rules = policy.get("rules") if isinstance(policy, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        yield "it has no list of rules"
        return
    for rule in rules:
        number = rule.get("rulePriority")
        yield from (f"rule {number} {why}" for why in _rule_errors(rule))
    priorities = [str(rule.get("rulePriority")) for rule in rules]
    if len({*priorities}) < len(rules):
        yield "two rules have one rulePriority"
    if len(rules) > MOST_RULES:
        yield f"it has {len(rules)} rules, but at most {MOST_RULES} are possible"
    selections = [rule.get("selection") for rule in rules]
    kinds = [
        (one.get("tagStatus"), one.get("storageClass")) if isinstance(one, dict) else None
        for one in selections
    ]
    for status in ("untagged", "any"):
        own = [kind for kind in kinds if kind and kind[0] == status]
        if len({*own}) < len(own):
            yield f"two rules are for {status} images, but only one is possible"
    last: Any = max(rules, key=lambda rule: _number(rule.get("rulePriority")), default={})
    for rule, kind in zip(rules, kinds):
        if kind and kind[0] == "any" and rule is not last:
            number = rule.get("rulePriority")
            yield f"rule {number} is for any image, so it must have the highest rulePriority"


def _number(value: Any) -> int:
    return value if type(value) is int else 0


def _rule_errors(rule: dict[str, Any]) -> Iterator[str]:
    selection = rule.get("selection")
    if _number(rule.get("rulePriority")) < 1:
        yield "has a rulePriority that is not a whole number from 1"
    if not isinstance(rule.get("description", ""), str):
        yield "has a description that is not text"
    if rule.get("action") not in ACTIONS:
        yield 'needs the action {"type": "expire"}'
    for key in sorted({*rule} - KEYS):
        yield f"has {key}, which ECR does not know"
    if not isinstance(selection, dict):
        yield "has no selection"
        return
    for key in sorted({*selection} - SELECTION_KEYS):
        yield f"has {key} in its selection, which ECR does not know"
    yield from _tag_errors(selection)
    by, unit = selection.get("countType"), selection.get("countUnit")
    if by not in (BY_COUNT, *BY_AGE):
        yield f"has the countType {by}; write {BY_COUNT} or sinceImagePushed"
    elif by in BY_AGE and unit != "days":
        yield f"counts in {unit}; write countUnit: days"
    elif by == BY_COUNT and unit is not None:
        yield "counts images, which have no countUnit; remove it"
    if _number(selection.get("countNumber")) < 1:
        yield "has a countNumber that is not a whole number from 1"
    if selection.get("storageClass", "standard") not in ("standard", "archive"):
        yield "has a storageClass that is neither standard nor archive"


def _tag_errors(selection: dict[str, Any]) -> Iterator[str]:
    status = selection.get("tagStatus")
    lists = [selection[key] for key in ("tagPrefixList", "tagPatternList") if key in selection]
    if status not in ("any", "tagged", "untagged"):
        yield f"has the tagStatus {status}; write tagged, untagged or any"
    elif status != "tagged" and any(lists):
        yield f"is for {status} images and lists tags; remove the list"
    elif status == "tagged" and (len(lists) != 1 or not lists[0]):
        yield "is for tagged images, so it needs either a tagPatternList or a tagPrefixList"
    for each in lists:
        if not isinstance(each, list) or not all(isinstance(tag, str) and tag for tag in each):
            yield "has a list of tags that is not a list of texts"
        elif any(tag.count("*") > MOST_WILDCARDS for tag in each):
            yield f"has a pattern with more than {MOST_WILDCARDS} *"
