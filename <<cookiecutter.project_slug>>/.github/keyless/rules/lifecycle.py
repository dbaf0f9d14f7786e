"""No lifecycle rule removes what is published, or matches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keyless.model.findings import Finding
from keyless.model.repository import Publication, Repository
from keyless.paths import LIFECYCLE, TFVARS
from keyless.rules._entries import refused

ID = "lifecycle"
WHY = (
    "A rule that expires by count or age removes an image with all its tags. A rule that matches"
    " nothing is a mistake."
)
SOURCES = (
    (
        "AWS: lifecycle policies",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html",
    ),
)
BEFORE = """\
"selection": {
  "tagStatus": "any",
  "countType": "imageCountMoreThan",
  "countNumber": 10
}"""
AFTER = """\
"selection": {
  "tagStatus": "untagged",
  "countType": "sinceImagePushed",
  "countUnit": "days",
  "countNumber": 14
}"""
BY_COUNT = "imageCountMoreThan"
BY_AGE = ("sinceImagePulled", "sinceImagePushed", "sinceImageTransitioned")  # counted in days
ACTIONS = ({"type": "expire"}, {"type": "transition", "targetStorageClass": "archive"})
KEYS = {"rulePriority", "description", "selection", "action"}
SELECTION_KEYS = {
    *("tagStatus", "tagPatternList", "tagPrefixList", "storageClass"),
    *("countType", "countUnit", "countNumber"),
}
MOST_RULES, MOST_WILDCARDS = 50, 4  # of a policy [ECR quotas]; of a pattern


def find(repository: Repository) -> Iterator[Finding]:
    """Simulate the lifecycle policy over the tags that the jobs push."""
    for publication in repository.publications:
        if publication.pushed and not publication.unseen:
            yield from _simulate(publication)
    yield from refused(repository, ID, {"expire_untagged_after_days", "keep_newest_images"})


def _simulate(publication: Publication) -> Iterator[Finding]:
    """Yield what a policy does to the tags that a run pushes, and to what a failed push leaves.

    Releases stay for ever; of a branch the newest image stays; no rule is without effect (AWS docs,
    ECR, "Lifecycle policy properties": an image is judged by the first rule that selects it).
    """
    infra = publication.infra
    where, mend = infra.where or (LIFECYCLE, 1), f"correct {LIFECYCLE} and apply it"
    errors = [*grammar_errors(infra.lifecycle)]
    for message in errors:
        yield Finding(*where, ID, f"ECR refuses the lifecycle policy: {message}", mend)
    if errors:
        return
    rules = sorted(infra.lifecycle["rules"], key=lambda rule: int(rule["rulePriority"]))
    for message in _judge_rules(rules, publication):
        yield Finding(*where, ID, message, mend)
    kinds = [rule["selection"]["tagStatus"] for rule in rules]
    numbers = {"keep_newest_images": "tagged", "expire_untagged_after_days": "untagged"}
    for name, kind in numbers.items():
        if publication.entry.get(name) and kind not in kinds:
            message = f"{name} has no rule for {kind} images, so it has no effect"
            yield Finding(*where, ID, message, f"remove it from {TFVARS}, or add a rule")


def _judge_rules(rules: list[Any], publication: Publication) -> Iterator[str]:
    """Yield what is wrong with a rule that ECR takes."""
    names = [*publication.pushed, *publication.tagged]
    tags = sorted({named.tag for named in names})
    newest = [sample_tag(tag, publication.entry) for tag in tags]
    judged = False  # whether an earlier rule has selected the images with a tag
    for rule in rules:
        number, selection = rule["rulePriority"], rule["selection"]
        if selection["tagStatus"] == "untagged":
            continue
        selected = _selects(selection, newest)
        if not publication.to_branch:
            yield f"rule {number} is for images with a tag, and each of them is a release"
        elif not selected or (judged and selection["tagStatus"] == "tagged"):
            yield f"rule {number} matches no image that a run or a failed push can leave"
        elif not judged and selection["countType"] in BY_AGE:
            yield f"rule {number} removes in time also the newest image, {', '.join(newest)}"
        judged = judged or selected


def grammar_errors(policy: Any) -> Iterator[str]:
    """Yield what ECR refuses of a lifecycle policy [ECR, "Lifecycle policy properties"]."""
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
        yield f"it has {len(rules)} rules, and may have {MOST_RULES}"
    selections = [rule.get("selection") for rule in rules]
    kinds = [
        (one.get("tagStatus"), one.get("storageClass")) if isinstance(one, dict) else None
        for one in selections
    ]
    for status in ("untagged", "any"):
        own = [kind for kind in kinds if kind and kind[0] == status]
        if len({*own}) < len(own):
            yield f"two rules are for {status} images, and there may be one"
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
        yield "has a rulePriority that is no whole number from 1"
    if not isinstance(rule.get("description", ""), str):
        yield "has a description that is no text"
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
        yield "has a countNumber that is no whole number from 1"
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
            yield "has a list of tags that is no list of text"
        elif any(tag.count("*") > MOST_WILDCARDS for tag in each):
            yield f"has a pattern with more than {MOST_WILDCARDS} *"


def _selects(selection: dict[str, Any], tags: list[str]) -> bool:
    """Tell whether a rule selects an image: every pattern must be met, each by one of its tags."""
    patterns = [f"{each}*" for each in selection.get("tagPrefixList", [])]
    patterns += selection.get("tagPatternList", [])
    met = all(any(matches_pattern(tag, pattern) for tag in tags) for pattern in patterns)
    return selection["tagStatus"] == "any" or met


def sample_tag(tag: str, entry: dict[str, Any]) -> str:
    """Return a tag as a run would push it."""
    ref = (entry["refs"] or ["refs/tags/v*"])[0].split("/", 2)[-1]
    tag = re.sub(r"\$\{\{\s*github\.sha\s*\}\}", "7" * 40, tag)
    tag = re.sub(r"\$\{\{\s*github\.ref_name\s*\}\}", ref.replace("*", "1.7.0"), tag)
    return re.sub(r"\$\{\{.*?\}\}", "7", tag)


def matches_pattern(text: str, pattern: str) -> bool:
    """Tell whether a text matches a pattern of ECR, in which * stands for any characters."""
    first, *parts = pattern.split("*")
    if not parts or not text.startswith(first):
        return text == pattern
    at = len(first)
    for part in parts[:-1]:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(parts[-1]) and len(text) - at >= len(parts[-1])
