"""Bootstrap and the protection of the trusted refs: environments and rulesets."""

from __future__ import annotations

from typing import Any

import pytest
from keyless.gh import Denied
from keyless.setup.protection import ADMINS, accept_refusal

from tests.support.bootstrap import ENVIRONMENT, KEEP, NAME
from tests.support.desk import Desk
from tests.support.remedies import doctor_says, words


def test_an_environment_is_created_for_the_trusted_refs_alone(guarded: Desk) -> None:
    guarded.hub.change(NAME, environments={})
    ended = guarded.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "create the environment eu: prod on GitHub, for refs/tags/v* only" in ended.out
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
    assert "allow v* to use the environment eu: prod" in ended.out
    assert " -  The environment eu: prod also admits main." in ended.out
    made = guarded.hub.repository(NAME)["environments"][ENVIRONMENT]
    assert made["wait_timer"] == 5
    assert ("v*", "tag") in [(one["name"], one["type"]) for one in made["policies"]]


def test_an_environment_without_limits_is_reported_and_not_changed(guarded: Desk) -> None:
    without: dict[str, Any] = {"deployment_branch_policy": None, "policies": []}
    guarded.hub.change(NAME, environments={ENVIRONMENT: without})
    ended = guarded.bootstrap("--yes")
    assert "The environment eu: prod also admits refs that the role does not trust" in ended.out
    assert (ended.status, guarded.changes()) == (0, [])


def test_a_github_plan_without_protection_is_not_a_failure(guarded: Desk) -> None:
    guarded.hub.change(NAME, environments={})
    guarded.hub.user(plan="free")
    ended = guarded.bootstrap("--yes", "--ruleset")
    assert ended.status == 0, ended.out
    assert ended.out.count("\n    GitHub refused this step (") == 1
    assert "). So anyone who can push a trusted ref can publish." in ended.out
    assert f"GitHub offers no rulesets for {NAME} (Upgrade to GitHub Pro" in words(ended)
    assert "can move or delete a published tag. The images stay as they are." in words(ended)


def test_a_github_plan_without_rulesets_is_reported(desk: Desk) -> None:
    desk.hub.user(plan="free")
    first = desk.bootstrap("--yes")
    assert first.status == 0, first.out
    assert "GitHub refused this step (Upgrade to GitHub Pro" in words(first)
    assert "So anyone who can write to the repository can move and delete published refs." in words(
        first
    )
    again = desk.bootstrap("--yes")
    assert "create the ruleset" not in again.out
    assert f"GitHub offers no rulesets for {NAME}" in words(again)


def test_protecting_published_tags_is_a_step_by_default(ready: Desk) -> None:
    ready.hub.change(NAME, rulesets=[])
    assert [line.state for line in doctor_says(ready, "tags")] == ["warning"]
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert ready.changes() == [KEEP]
    assert f"Anyone who can write to {NAME} can publish, with refs/tags/v*. To limit" in words(
        ended
    )
    assert [line.state for line in doctor_says(ready, "tags")] == ["ok"]
    assert [line.state for line in doctor_says(ready, "refs")] == ["warning"]
    assert ready.doctor().status == 0, "a choice is no failure"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"enforcement": "disabled"}, "warning"),
        ({"rules": [{"type": "update"}]}, "warning"),
        ({"rules": [{"type": "deletion"}]}, "warning"),
        ({"bypass_actors": [ADMINS]}, "warning"),
        ({"conditions": {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}}}, "warning"),
        ({"conditions": {"ref_name": {"include": ["~ALL"], "exclude": []}}}, "ok"),
    ],
    ids=["disabled", "may be deleted", "may be moved", "admins may", "no slashes", "all tags"],
)
def test_a_ruleset_that_does_not_keep_tags_is_seen(
    ready: Desk, change: dict[str, Any], state: str
) -> None:
    (keeping,) = ready.hub.repository(NAME)["rulesets"]
    ready.hub.change(NAME, rulesets=[{**keeping, **change}])
    assert [line.state for line in doctor_says(ready, "tags")] == [state]
    ready.hub.clear()
    ended = ready.bootstrap("--yes")
    assert (ended.status, ready.changes()) == (0, [])
    edited = state == "warning" and "bypass_actors" not in change
    assert ("exists, but does not protect refs/tags/v*" in words(ended)) is edited


def test_immutable_releases_lock_tags_and_no_ruleset_is_needed(ready: Desk) -> None:
    ready.hub.change(NAME, rulesets=[])
    ended = ready.bootstrap("--yes", "--immutable-releases")
    assert ended.status == 0, ended.out
    assert ready.changes() == [
        f"gh api --method PUT repos/{NAME}/immutable-releases --input -",
        KEEP,
    ]
    ready.hub.change(NAME, rulesets=[])
    again = ready.bootstrap("--yes")
    assert "create the ruleset" not in again.out
    assert "ARGS=--immutable-releases" not in words(again)
    assert doctor_says(ready, "tags")[0] == (
        "ok",
        "refs/tags/v*: GitHub locks the tag of each published release.",
        [],
    )


def test_others_read_that_only_an_admin_can_create_a_ruleset(ready: Desk) -> None:
    push = {"admin": False, "push": True, "pull": True}
    ready.hub.change(NAME, rulesets=[], permissions=push)
    ended = ready.bootstrap("--yes")
    assert (ended.status, ready.changes()) == (0, [])
    assert f"Only an admin of {NAME} can create the ruleset 'what is published stays" in words(
        ended
    )
    (line,) = doctor_says(ready, "tags")
    assert line.state == "unknown", "only admins may ask whether releases are immutable"


def test_rulesets_are_made_where_they_are_asked_for(ready: Desk) -> None:
    ended = ready.bootstrap("--yes", "--ruleset")
    assert ended.status == 0, ended.out
    made = {one["name"]: one for one in ready.hub.repository(NAME)["rulesets"]}
    made = dict(sorted(made.items()))
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
    assert "the ruleset 'only admins publish (tag)' limits who can push it." in explained.out


def test_a_rate_limit_is_not_taken_for_a_missing_feature() -> None:
    limit = Denied(403, "You have exceeded a secondary rate limit")
    with pytest.raises(Denied, match="secondary rate limit"):
        accept_refusal(limit, "the trust then rests on nobody")
