"""Lifecycle rules do not remove published images, and each of them matches something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keyless.model.findings import Finding
from keyless.model.lifecycle import BY_AGE, grammar_errors
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
            yield f"rule {number} is for images with a tag, so it removes releases"
        elif not selected or (judged and selection["tagStatus"] == "tagged"):
            yield f"rule {number} matches no image that a run or a failed push leaves"
        elif not judged and selection["countType"] in BY_AGE:
            yield f"rule {number} also removes the newest image in time: {', '.join(newest)}"
        judged = judged or selected


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
