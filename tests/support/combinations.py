"""Combinations of answers: each value once, and each pair of values of two questions once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations

from allpairspy import AllPairs

from tests.standins.emulator import ROOT

Answers = dict[str, str]

# Of the free questions: the default first, then what is as odd as is accepted.
FREE = {
    "github_repository": ["octo-org/example-service", "Octo_Org/My.Svc_2"],
    "project_slug": ["", "A.b_c-d", "s" * 100],  # empty: what follows from the repository
    "aws_account_id": ["111122223333", "000000000001"],
    "aws_region": ["us-east-1", "cn-north-1", "us-gov-west-1"],
    "ecr_repository": ["", "team-a/web.app__v2/x--y", "null"],
    "github_environment": ["", "production", "\u00e9t\u00e9: #1 (it's blue)"],
    "state_bucket": ["", "octo-org.terraform"],
}


def questions() -> dict[str, str | list[str]]:
    """Return the public questions with their defaults or choices, as cookiecutter.json has them."""
    given = json.loads((ROOT / "cookiecutter.json").read_text())
    return {key: value for key, value in given.items() if not key.startswith("_")}


def values() -> dict[str, list[str]]:
    """Return the values that are tried of every question, its default first."""
    asked = questions()
    return {key: item if isinstance(item, list) else FREE[key] for key, item in asked.items()}


def singles() -> list[Answers]:
    """Return the defaults, and each other value by itself."""
    return [{}] + [{key: item} for key, items in values().items() for item in items[1:]]


def pairwise() -> list[Answers]:
    """Return combinations in which each pair of values stands at least once."""
    tried = values()

    def fits(row: list[str]) -> bool:  # the first answers of one, or all of them
        return not impossible(dict(zip(tried, row)))  # noqa: B905

    rows = AllPairs(list(tried.values()), filter_func=fits)
    found = [dict(zip(tried, row, strict=True)) for row in rows]
    more: list[Answers] = []  # for pairs to which what is impossible has left no way
    for one, first, other, second in missing_pairs(found):
        pair = {one: first, other: second}
        fitting = [
            row
            for row in more
            if all(row.get(key, value) == value for key, value in pair.items())
            and not impossible({**row, **pair})
        ]
        if fitting:
            fitting[0].update(pair)
        else:
            more.append(pair)
    return [without_defaults(row) for row in [*found, *more]]


def distinct_infra() -> list[Answers]:
    """Return answers that lead to each distinct content of infra/, the values aside.

    test_infra.py proves that there is no other: a tag leads to what a release leads to.
    """
    tried = values()
    return [
        {"second_tag": tag, "deploy_on": when, "deploy_to": target}
        for tag in tried["second_tag"]
        for when in ("release", "branch")
        for target in tried["deploy_to"]
    ]


def impossible(answers: Mapping[str, str]) -> bool:
    """Tell whether answers are refused together.

    Without infra/ there is no state to keep, and nobody makes a service's roles. A service runs in
    the commercial partition; App Runner only for amd64, from a registry of a plain name.
    """
    target = answers.get("deploy_to", "nothing")
    if answers.get("iac_tool") == "none" and (answers.get("state_bucket") or target != "nothing"):
        return True
    if target != "nothing" and answers.get("aws_region", "us-").startswith(("cn-", "us-gov-")):
        return True
    odd = answers.get("platform", "linux/amd64") != "linux/amd64"
    odd = odd or "__" in answers.get("ecr_repository", "")
    return target == "app-runner" and odd


def without_defaults(answers: Answers) -> Answers:
    """Return the answers that differ from what holds without them."""
    first = {key: items[0] for key, items in values().items()}
    return {key: value for key, value in answers.items() if value not in ("", first[key])}


def every() -> list[Answers]:
    """Return both, each combination once."""
    found = {json.dumps(each, sort_keys=True): each for each in (*singles(), *pairwise())}
    return list(found.values())


def readable(answers: Mapping[str, str]) -> str:
    """Return the name of a combination in a list of tests: what is not the default, shortened."""
    return "-".join(ascii(value)[1:-1][:14] for value in answers.values()) or "defaults"


def missing_pairs(tried: list[Answers]) -> list[tuple[str, str, str, str]]:
    """Return the pairs of values that no combination has."""
    known = values()
    pairs = list(combinations(known, 2))
    full = [{**{key: items[0] for key, items in known.items()}, **each} for each in tried]
    have = {(one, each[one], other, each[other]) for each in full for one, other in pairs}
    wanted = {
        (one, first, other, second)
        for one, other in pairs
        for first in known[one]
        for second in known[other]
        if not impossible({one: first, other: second})
    }
    return sorted(wanted - have)
