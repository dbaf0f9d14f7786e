"""Bootstrap and the protection of the trusted refs: environments and rulesets."""

from __future__ import annotations

from typing import Any

import pytest
from keyless.gh import Denied
from keyless.setup.protection import accept_refusal

from tests.support.bootstrap import ENVIRONMENT, NAME
from tests.support.desk import Desk


def test_an_environment_is_created_for_the_trusted_refs_alone(guarded: Desk) -> None:
    guarded.hub.change(NAME, environments={})
    ended = guarded.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "create the environment eu: prod on GitHub, for refs/tags/v* alone" in ended.out
    made = guarded.hub.repository(NAME)["environments"][ENVIRONMENT]
    assert made["deployment_branch_policy"] == {
        "protected_branches": False,
        "custom_branch_policies": True,
    }
    assert [(one["name"], one["type"]) for one in made["policies"]] == [("v*", "tag")]
    path = f"repos/{NAME}/environments/eu%3A%20prod"
    assert guarded.changes() == [
        f"gh api --method PUT {path} --input -",
        f"gh api --method POST {path}/deployment-branch-policies --input -",
    ]
    guarded.hub.clear()
    assert (guarded.bootstrap("--yes").status, guarded.changes()) == (0, [])


def test_an_environment_that_exists_keeps_its_protection(guarded: Desk) -> None:
    custom = {"protected_branches": False, "custom_branch_policies": True}
    there = {"deployment_branch_policy": custom, "wait_timer": 5}
    policies = [{"name": "main", "type": "branch"}]
    guarded.hub.change(NAME, environments={ENVIRONMENT: {**there, "policies": policies}})
    ended = guarded.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "let v* use the environment eu: prod" in ended.out
    assert " -  The environment eu: prod admits main, too." in ended.out
    made = guarded.hub.repository(NAME)["environments"][ENVIRONMENT]
    assert made["wait_timer"] == 5
    assert ("v*", "tag") in [(one["name"], one["type"]) for one in made["policies"]]


def test_an_environment_without_limits_is_told_and_not_changed(guarded: Desk) -> None:
    without: dict[str, Any] = {"deployment_branch_policy": None, "policies": []}
    guarded.hub.change(NAME, environments={ENVIRONMENT: without})
    ended = guarded.bootstrap("--yes")
    assert "The environment eu: prod admits other refs than refs/tags/v*:" in ended.out
    assert (ended.status, guarded.changes()) == (0, [])


def test_a_plan_of_github_that_allows_no_protection_is_no_failure(guarded: Desk) -> None:
    guarded.hub.change(NAME, environments={})
    guarded.hub.user(plan="free")
    ended = guarded.bootstrap("--yes", "--ruleset")
    assert ended.status == 0, ended.out
    assert ended.out.count("\n    GitHub refuses that (") == 3
    assert "the trust then rests on who may push the ref, which the role tests." in ended.out
    assert "the trust then rests on who may write to the repository." in ended.out


def test_rulesets_are_made_where_they_are_asked_for(ready: Desk) -> None:
    ended = ready.bootstrap("--yes", "--ruleset")
    assert ended.status == 0, ended.out
    made = {one["name"]: one for one in ready.hub.repository(NAME)["rulesets"]}
    assert {name: [rule["type"] for rule in one["rules"]] for name, one in made.items()} == {
        "only admins publish (tag)": ["creation"],
        "what is published stays (tag)": ["update", "deletion"],
    }
    assert [len(one["bypass_actors"]) for one in made.values()] == [1, 0]
    assert made["only admins publish (tag)"]["conditions"]["ref_name"]["include"] == [
        "refs/tags/v*",
        "refs/tags/v*/**/*",
    ]
    ready.hub.clear()
    again = ready.bootstrap("--yes", "--ruleset")
    assert (again.status, ready.changes()) == (0, [])
    explained = ready.keyless("explain")
    assert "the ruleset 'only admins publish (tag)' limits who that is." in explained.out


def test_a_rate_limit_is_no_plan_of_github() -> None:
    limit = Denied(403, "You have exceeded a secondary rate limit")
    with pytest.raises(Denied, match="secondary rate limit"):
        accept_refusal(limit, "the trust then rests on nobody")
