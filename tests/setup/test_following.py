"""Following a run: what is printed on the way, and how each end is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from keyless.setup import following
from keyless.setup.following import login_lines
from keyless.setup.logs import failure_of, published_rows

from tests.conftest import Copy
from tests.standins.hub import Hub
from tests.support.bootstrap import NAME, readable
from tests.support.desk import Desk, Ended
from tests.support.publishing import FAILED, RUN, STEP, followed, published, pushed, tags
from tests.support.remedies import commands_of, follow, words

AGAIN = "make release VERSION=v0.1.0"
VIEW = f"gh run view 4712 --repo {NAME}"


@pytest.fixture
def desk(copy: Copy, tmp_path: Path) -> Desk:
    """A desk with a project that was pushed."""
    return pushed(copy(), Hub(tmp_path / "hub"))


def release(desk: Desk, **course: Any) -> Ended:
    """Publish a version whose run goes in some way."""
    desk.hub.change(NAME, course=course)
    ended = desk.hurried("release", "v0.1.0")
    readable(ended)
    assert "v0.1.0" in tags(desk)
    return ended


def test_each_change_is_printed_once(desk: Desk) -> None:
    states = [*["queued"] * 3, *["in_progress"] * 5]
    ended = release(desk, after=2, states=states)
    waiting = "waiting for GitHub to start deploy.yml for v0.1.0, up to 2 minutes"
    assert followed(ended.out) == [waiting, RUN, "queued", "in progress", "success"]
    assert ended.status == 0


def test_a_few_errors_of_github_do_not_stop_it(desk: Desk) -> None:
    errors = [*["HTTP 502: Server Error (https://api.github.com/x)"] * 5, "", "HTTP 502", "", ""]
    ended = release(desk, errors=errors, states=["queued", "in_progress"])
    assert followed(ended.out) == [RUN, "queued", "in progress", "success"]
    assert ended.status == 0


def test_lasting_errors_of_github_stop_it_and_the_command_follows_again(desk: Desk) -> None:
    ended = release(desk, errors=["HTTP 502: Server Error"] * following.FAULTS)
    assert ended.status == 1
    said = "GitHub has failed to answer 6 times in a row, so this command stops. The run continues."
    assert f"{said} GitHub cannot be reached: HTTP 502: Server Error." in words(ended)
    assert commands_of(ended)[-1] == AGAIN
    again = desk.hurried("release", "v0.1.0")
    assert (again.status, followed(again.out)) == (0, [RUN, "success"])


def test_a_run_that_never_appears_is_explained_and_started_by_the_command(desk: Desk) -> None:
    ended = release(desk, never=True)
    assert ended.status == 1
    said = "GitHub has not started a run of deploy.yml for v0.1.0 in 2 minutes, so nothing is"
    assert said in words(ended)
    assert "if a workflow has published the release with its GITHUB_TOKEN" in words(ended)
    listed = [call for call in desk.hub.calls() if call.startswith("gh run list ")]
    assert len(listed) == following.POLLS
    start, again = commands_of(ended)
    desk.hub.change(NAME, course={})
    follow(desk, start)
    assert again == AGAIN
    ended = desk.hurried("release", "v0.1.0")
    assert (ended.status, followed(ended.out)) == (0, [RUN, "success"])


def test_a_run_that_cannot_start_is_explained_by_what_is_switched_off(desk: Desk) -> None:
    desk.hub.change(NAME, workflow_state="disabled_manually")
    ended = release(desk, never=True)
    said = f"The state of deploy.yml in {NAME} is disabled_manually, so GitHub does not start it."
    assert said in words(ended)
    enable, start, again = commands_of(ended)
    desk.hub.change(NAME, course={})
    follow(desk, enable)
    follow(desk, start)
    assert again == AGAIN
    assert desk.hurried("release", "v0.1.0").status == 0


def test_a_tag_without_a_release_is_explained(desk: Desk) -> None:
    desk.git("tag", "v0.1.0")
    desk.git("push", "--quiet", "origin", "v0.1.0")
    ended = desk.hurried("release", "v0.1.0")
    assert (
        "There is no release for v0.1.0, and a tag without a release publishes nothing."
        in words(ended)
    )


def test_without_a_terminal_it_does_not_wait_for_an_approval(desk: Desk) -> None:
    ended = release(desk, states=["queued", "waiting", "waiting", "in_progress"])
    assert ended.status == 1
    assert followed(ended.out) == [RUN, "queued", "waiting"]
    assert f"somebody must approve it on this page: {RUN}" in words(ended)
    assert "This is not a terminal, so this command does not wait." in ended.out
    assert commands_of(ended) == [VIEW, AGAIN]
    assert desk.hurried("release", "v0.1.0").status == 1
    assert desk.hurried("release", "v0.1.0").status == 0


def test_at_a_terminal_it_waits_for_an_approval(copy: Copy, tmp_path: Path) -> None:
    project = copy(github_environment="production")
    desk = pushed(project, Hub(tmp_path / "hub"))
    states = ["waiting", "waiting", "in_progress"]
    desk.hub.change(NAME, course={"states": states})
    ended = desk.hurried("release", "v0.1.0", answers={})
    assert ended.status == 0, ended.out
    assert ended.out.count("until the rules of the environment 'production' are met") == 1
    assert ended.out.count("in progress") == 1


def test_after_ctrl_c_the_run_continues_and_can_be_followed_again(desk: Desk) -> None:
    desk.hub.change(NAME, course={"after": 3, "states": ["in_progress"] * 2})
    for seen, lines in (("waiting for", [AGAIN]), ("in progress", [VIEW, AGAIN])):
        ended = desk.typed({seen: "\x03"}, "release", "v0.1.0")
        assert ended.status == 130, ended.out
        assert "\nInterrupted. The run continues on GitHub. To follow it again:\n" in ended.out
        assert commands_of(ended) == lines
        desk.hub.change(NAME, course={})
        (run,) = desk.hub.repository(NAME)["runs"]
        run["course"]["after"] = 0
        desk.hub.change(NAME, runs=[run])
    assert follow(desk, VIEW).status == 0
    again = desk.hurried("release", "v0.1.0")
    assert (again.status, followed(again.out)[0]) == (0, RUN)


def test_it_waits_for_a_log_that_appears_later(desk: Desk) -> None:
    ended = release(desk, log_after=following.LOGS - 1)
    assert ended.out.endswith(published("v0.1.0", desk.git("rev-parse", "HEAD")))


@pytest.mark.parametrize("course", [{"log_after": 99}, {"log": [["Build", "made by hand"]]}])
def test_if_the_log_shows_no_image_the_command_for_the_run_is_printed(
    desk: Desk, course: dict[str, Any]
) -> None:
    ended = release(desk, **course)
    assert ended.status == 0
    assert ended.out.endswith(f"The log of the run shows no image. To see the run:\n  {VIEW}\n")
    assert follow(desk, VIEW).status == 0


def test_if_the_error_of_a_failed_step_says_what_to_type_no_other_advice_is_printed(
    desk: Desk,
) -> None:
    ended = release(desk, conclusion="failure", log=FAILED, log_after=1)
    assert ended.status == 1
    assert ended.out.partition("          failure\n")[2] == (
        "\n"
        "The run for v0.1.0 has failed. The log of the failed steps:\n"
        "  asking ECR\n"
        "  Error: v0.1.0 names another image. Publish a new version:\n"
        "  gh release create vNEXT\n"
        "Type what the error says. If the run starts again, follow it:\n"
        f"  {AGAIN}\n"
    )


def test_a_failed_step_without_a_remedy_gets_one(desk: Desk) -> None:
    log = [["Build", "##[error]buildx failed with: ERROR: no space left on device", "failed"]]
    ended = release(desk, conclusion="failure", log=log)
    rerun = f"gh run rerun 4712 --failed --repo {NAME}"
    assert (
        "Error: buildx failed with: ERROR: no space left on device\nCorrect the error" in ended.out
    )
    assert "v0.1.0 stays at the commit that failed." in words(ended)
    anew = "  git add FILE && git commit && git push\n  make release VERSION=v0.1.1\n"
    assert f"{anew}If the cause was GitHub, AWS or the network, start the same run" in ended.out
    assert commands_of(ended) == [rerun, AGAIN]
    desk.hub.change(NAME, course={})
    follow(desk, rerun)
    assert followed(desk.hurried("release", "v0.1.0").out) == [RUN, "success"]


def test_a_failed_run_without_a_log_is_printed_with_its_address(desk: Desk) -> None:
    ended = release(desk, conclusion="failure", log_after=99)
    assert f"  (The log is empty: {RUN})\n" in ended.out


@pytest.mark.parametrize(
    ("conclusion", "says", "line"),
    [
        ("cancelled", "Somebody cancelled the run", f"gh run rerun 4712 --repo {NAME}"),
        ("timed_out", "took longer than timeout-minutes", f"gh run rerun 4712 --repo {NAME}"),
        ("skipped", "no job of deploy.yml starts for v0.1.0", "make check"),
        ("startup_failure", "deploy.yml is not valid", VIEW),
        ("action_required", "Somebody must approve the run on its page", RUN),
        ("stale", "The run has ended without success: stale.", "gh run rerun 4712 --repo"),
    ],
)
def test_each_other_conclusion_has_its_own_message(
    desk: Desk, conclusion: str, says: str, line: str
) -> None:
    ended = release(desk, conclusion=conclusion)
    assert ended.status == 1
    assert says in words(ended)
    assert commands_of(ended)[0].startswith(line)
    assert "Published" not in ended.out


# Logs


def lines(*texts: str, step: str = STEP) -> str:
    """Return a log of gh in which each text is a message of one step."""
    found = []
    for text in texts:
        first, *further = text.split("\n")
        found += [f"2026-08-03T10:00:07.1234567Z {first}", *further]
    return "".join(f"Publish the image\t{step}\t{line}\n" for line in found)


def test_a_long_log_is_shortened_to_its_last_lines_but_errors_are_whole() -> None:
    annotation = "##[error]" + "\n".join(f"error {number}" for number in range(30))
    before = [f"before {number}" for number in range(100)]
    found = failure_of(lines(annotation, *before))
    assert len(found.lines) == 41
    assert found.lines[:3] == ["...", "Error: error 0", "error 1"]
    assert found.lines[30:] == ["error 29", *before[-10:]]
    huge = failure_of(lines(*before, "##[error]" + "\n".join("e" * 60)))
    assert (len(huge.lines), huge.says_what_to_type) == (61, True)


def test_if_the_only_error_is_an_exit_status_it_is_shown() -> None:
    found = failure_of(lines("make: no rule", "##[error]Process completed with exit code 2."))
    assert found == (["make: no rule", "Error: Process completed with exit code 2."], False)
    assert failure_of("") == ([], False)


def test_the_table_is_found_among_other_lines_and_not_made_up() -> None:
    image = f"1.dkr.ecr.us-east-1.amazonaws.com/a/b@sha256:{'0' * 64}"
    table = ("Published v1", f"Image         {image}", "Tags          v1, abc")
    more = ("Pull          docker pull it", "Deployed v1 to web", "Service       https://web")
    log = lines("Image sizes", "Tags  none") + lines(*table, *more, step="UNKNOWN STEP")
    assert published_rows(log) == [
        "Published v1",
        f"Image     {image}",
        "Tags      v1, abc",
        "Pull      docker pull it",
        "Service   https://web",
    ]
    assert published_rows(lines("Image         none", "Tags          v1")) == []


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("111122223333.dkr.ecr.us-east-1.amazonaws.com", "us-east-1"),
        ("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("111122223333.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
    ],
)
def test_docker_is_logged_in_to_the_registry_of_the_image(host: str, region: str) -> None:
    assert login_lines([f"Image     {host}/a/b@sha256:{'0' * 64}"]) == [
        "To pull it, log Docker in to ECR first:",
        f"  aws ecr get-login-password --region {region} |",
        f"    docker login --username AWS --password-stdin {host}",
    ]


def test_without_an_image_of_ecr_no_login_is_printed() -> None:
    assert login_lines([f"Image     registry.example/a@sha256:{'0' * 64}"]) == []
    assert login_lines([]) == []
