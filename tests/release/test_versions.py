"""Which version is newer, and the tag that moves to the newest."""

from __future__ import annotations

from typing import Any

import pytest
from keyless.aws import Refused
from keyless.release import images, versions
from keyless.release.images import Image
from keyless.release.job_environment import Release
from keyless.release.versions import parse_version

from tests.support.registry import ONE, TWO, Registry, movable


@pytest.mark.parametrize(
    ("own", "order"),
    [
        ("v1.0.0", ["v0.9", "v1.0", "v1.0.1", "v1.2", "v1.10.0", "v2", "v10.0.0", "v2026.11.23"]),
        ("main-7", ["main-1", "main-9", "main-10", "main-200"]),
    ],
)
def test_versions_are_compared_by_their_numbers(own: str, order: list[str]) -> None:
    job = Release("", "", own, "latest", ONE)
    compared = [parse_version(job, tag) or [] for tag in order]
    assert compared == sorted(compared)
    assert len({tuple(each) for each in compared}) == len(order)
    assert parse_version(job, "v1.2") == parse_version(job, "v1.2.0") or own == "main-7"
    for other in ("v2.0.0-rc.1", "latest", ONE, "vnext", "v", "1.0", "v1..2", "main-", "xv1"):
        assert parse_version(job, other) is None


@movable
def test_latest_moves_to_the_newest_version_and_never_backwards(registry: Registry) -> None:
    moving = {"SECOND_TAG": "latest"}
    first = registry.push("v1.9.0", ONE)
    assert registry.run("after", "v1.9.0", **moving).status == 0
    assert registry.tags["latest"] == first
    newer = registry.push("v1.10.0", TWO)
    registry.run("after", "v1.10.0", TWO, **moving)
    assert registry.tags["latest"] == newer
    again = registry.run("after", "v1.9.0", **moving)
    assert (registry.tags["latest"], again.outputs["digest"]) == (newer, first)
    assert "latest (names v1.10.0)" in again.summary
    registry.push("v2.0.0-rc.1", TWO, seed="candidate")
    registry.run("after", "v2.0.0-rc.1", TWO, **moving)
    assert registry.tags["latest"] == newer
    assert set(registry.tags) == {"v1.9.0", "v1.10.0", "v2.0.0-rc.1", "latest"}


@movable
def test_a_commit_without_a_tag_of_its_own_is_built_for_each_version(registry: Registry) -> None:
    registry.push("v1.0.0", ONE)
    assert registry.run("before", "v1.0.1", SECOND_TAG="latest").outputs == {"build": "true"}
    assert registry.run("before", "v1.0.0", SECOND_TAG="latest").outputs == {"build": "false"}
    assert registry.run("before", "v1.0.0", TWO, SECOND_TAG="latest").status == 1


@movable
def test_before_a_first_release_latest_names_nothing(registry: Registry) -> None:
    registry.push("v1.0.0-rc.1", ONE)
    ran = registry.run("after", "v1.0.0-rc.1", SECOND_TAG="latest")
    assert (ran.status, "latest" in registry.tags) == (0, False)
    assert "latest (was not moved)" in ran.summary


@movable
def test_what_a_run_publishes_meanwhile_gets_latest(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("v1.0.0", ONE)
    put_tag = images.put_tag
    pushed: list[str] = []

    def late(job: Release, found: Image, tag: str) -> str:
        refused = put_tag(job, found, tag)
        if not pushed:
            pushed.append(registry.push("v1.1.0", TWO))
        return refused

    monkeypatch.setattr(versions, "put_tag", late)
    registry.run("after", SECOND_TAG="latest")
    assert registry.tags["latest"] == pushed[0]


@movable
def test_latest_leaves_out_what_this_workflow_has_not_published(registry: Registry) -> None:
    own = registry.push("v1.0.0", ONE)
    registry.push("v9.0.0")
    ran = registry.run("after", SECOND_TAG="latest")
    assert (ran.status, registry.tags["latest"]) == (0, own)
    assert "latest (names v1.0.0)" in ran.summary


@movable
def test_another_prefix_counts_from_the_beginning(registry: Registry) -> None:
    registry.run("after", "main-200", SECOND_TAG="latest")
    registry.push("main-200", ONE)
    registry.run("after", "main-200", SECOND_TAG="latest")
    new = registry.push("build-1", TWO)
    registry.run("after", "build-1", TWO, SECOND_TAG="latest")
    assert registry.tags["latest"] == new


def test_latest_that_may_not_move_is_no_green_job(registry: Registry) -> None:
    old = registry.push("v1.0.0", ONE)
    assert registry.run("after", SECOND_TAG="latest").status == 0
    registry.push("v1.1.0", TWO)
    ran = registry.run("after", "v1.1.0", TWO, SECOND_TAG="latest")
    assert (ran.status, registry.tags["latest"]) == (1, old)
    assert "v1.1.0 is published. ECR does not let latest move" in ran.summary
    assert "make bootstrap\ngh run rerun 4711" in ran.summary
    assert ran.outputs["tag"] == "v1.1.0"


@movable
def test_who_finds_latest_moved_meanwhile_is_green(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("v1.0.0", ONE)
    call = registry.call

    def moved_meanwhile(service: str, operation: str, **parameters: Any) -> Any:
        answer = call(service, operation, **parameters)
        if operation == "put-image":  # the other run was faster by a moment
            raise Refused("ImageAlreadyExistsException", "there is no change")
        return answer

    monkeypatch.setattr(images, "call", moved_meanwhile)
    ran = registry.run("after", SECOND_TAG="latest")
    assert (ran.status, "latest (names v1.0.0)" in ran.summary) == (0, True)
