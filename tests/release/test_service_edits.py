"""Each edit of deploy.yml or infra/ that would run something else than what was published."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.conftest import Copy
from tests.support.check import found
from tests.support.project import Project
from tests.support.service import write

LOOK = "        run: python3 .github/keyless deploy before\n"
RUN = "        run: python3 .github/keyless deploy after\n"
DIGEST = "DIGEST: ${{ steps.published.outputs.digest }}"
ALONE = "keyless deploy must run once before and once after the build, alone in its step"
GREEN = "can leave the job green although nothing runs"
STEP = "      - name: Deploy the image and wait until it is steady\n"
ACTION = "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3"
ROLE = f"""      - uses: {ACTION}
        with:
          role-to-assume: arn:aws:iam::111122223333:role/admin
          aws-region: us-east-1
          role-duration-seconds: 3600

"""
REGISTRY = "REGISTRY: ${{ steps.registry.outputs.registry }}\n          DIGEST"
EDITS: dict[str, tuple[str, str, str]] = {
    "no look before": (LOOK, "        run: 'true'\n", ALONE),
    "nothing deploys": (RUN, "        run: 'true'\n", ALONE),
    "never red": (RUN, RUN.replace("after", "after || true"), ALONE),
    "never red by a pipe": (RUN, RUN.replace("after", "after | tee log"), ALONE),
    "only said": (RUN, RUN.replace("python3", "echo python3"), ALONE),
    "in the background": (RUN, RUN.replace("after", "after &"), ALONE),
    "with another digest": (RUN, RUN.replace("python3", "DIGEST=x python3"), ALONE),
    "from its own folder": (RUN, RUN.replace("python3 .github/", "cd .github && python3 "), ALONE),
    "a look that fails": (LOOK, LOOK.replace("before", "before || true"), ALONE),
    "twice": (RUN, f"{RUN}      - run: python3 .github/keyless deploy after\n", ALONE),
    "another shell": (RUN, f"{RUN}        shell: bash --noprofile {{0}}\n", GREEN),
    "another folder": (RUN, f"{RUN}        working-directory: app\n", GREEN),
    "green all the same": (RUN, f"{RUN}        continue-on-error: true\n", GREEN),
    "only sometimes": (RUN, f"{RUN}        if: ${{{{ always() }}}}\n", GREEN),
    "a look only sometimes": (LOOK, f"{LOOK}        if: ${{{{ github.actor != 'x' }}}}\n", GREEN),
    "a tag instead": (DIGEST, DIGEST.replace("digest", "tag"), "DIGEST is ${{ steps."),
    "an input": (
        DIGEST,
        "DIGEST: ${{ inputs.digest }}",
        "DIGEST is ${{ inputs.digest }}, which is not what",
    ),
    "what the push said": (DIGEST, DIGEST.replace("published", "image"), "DIGEST is ${{ steps."),
    "no version before": (
        "          BEFORE: ${{ steps.service.outputs.image }}\n",
        "",
        "BEFORE is missing, which is not what was published",
    ),
    "another name of the look": ("        id: service\n", "        id: look\n", "BEFORE is"),
    "another registry": (REGISTRY, "REGISTRY: 444455556666\n          DIGEST", "REGISTRY is 4444"),
    "another version": (
        f"          {DIGEST}",
        f"          IMAGE_TAG: v9\n          {DIGEST}",
        "IMAGE_TAG differs from that of the steps before",
    ),
    "no number": ('WAIT_MINUTES: "25"', 'WAIT_MINUTES: "25m"', "WAIT_MINUTES is 25m"),
    "longer than the job": ('WAIT_MINUTES: "25"', 'WAIT_MINUTES: "60"', "ends after 60 minutes"),
    "another platform": (
        "platforms: ${{ env.PLATFORM }}",
        "platforms: linux/arm64",
        "PLATFORM is linux/amd64, but the image is built for another one",
    ),
    "another role": (
        STEP,
        ROLE + STEP,
        "the job assumes another role besides the one that can deploy",
    ),
}


@pytest.mark.parametrize(("before", "after", "message"), EDITS.values(), ids=EDITS)
def test_each_edit_that_would_run_something_else_is_caught(
    copy: Copy,
    before: str,
    after: str,
    message: str,
) -> None:
    project = copy(deploy_to="ecs-express")
    path = project.path / ".github/workflows/deploy.yml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    judged = found(project.path)
    assert {rule for rule, _ in judged} == {"same-service"}, judged
    assert any(message in text for _, text in judged), judged


def test_a_look_behind_the_build_and_another_workflow_that_deploys_are_caught(copy: Copy) -> None:
    project = copy(deploy_to="ecs-express")
    path = project.path / ".github/workflows/deploy.yml"
    text = path.read_text()
    look = "      - name: Look at the service\n        id: service\n" + LOOK + "\n"
    assert look in text
    end = "      - name: Check both tags and report the image\n"
    path.write_text(text.replace(look, "").replace(end, look + end))
    ((rule, message),) = found(project.path)
    assert (rule, "version is recorded too late" in message) == ("same-service", True)
    # What is no harm.
    for before, after in (
        ("python3 .github/keyless deploy", "python .github/keyless deploy"),
        ('WAIT_MINUTES: "25"', 'WAIT_MINUTES: "7.5"'),
    ):
        path.write_text(text.replace(before, after))
        assert found(project.path) == []
    path.write_text(text)
    other = re.sub(r"(?s)      - name: Look up what.*?(?=      - name: Deploy the image)", "", text)
    other = re.sub(r"(?s)\n  refuse:.*", "\n", other).replace(DIGEST, "DIGEST: sha256:1")
    (project.path / ".github/workflows/again.yml").write_text(other)
    assert "same-service" in {rule for rule, _ in found(project.path)}


@pytest.mark.parametrize("role", ["execution", "infrastructure"])
def test_a_role_that_is_passed_on_is_given_nothing_more_and_the_applications_own_may_be(
    copy: Copy, planning: Callable[[Project], Project], role: str
) -> None:
    project = planning(copy(deploy_to="ecs-express"))
    more = project.path / "infra/app.tf"
    policy = """resource "aws_iam_role_policy_attachment" "more" {
  role       = NAME
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}
"""
    for name in (f'"example-service-{role}"', f"aws_iam_role.{role}[local.service.entry].name"):
        more.write_text(policy.replace("NAME", name))
        ((rule, message),) = found(project.path)
        says = f"example-service-{role} has the policies " in message
        assert (rule, says) == ("least-actions", True)
    more.write_text(policy.replace("NAME", "aws_iam_role.task[local.service.entry].name"))
    assert found(project.path) == []


def test_what_is_missing_or_was_rewritten_is_named(
    copy: Copy, planning: Callable[[Project], Project]
) -> None:
    project = planning(copy(deploy_to="ecs-express"))
    infra = project.path / "infra/service.tf"
    text = infra.read_text()
    infra.write_text(text.replace("# Starts the containers", "# My own words"))
    assert found(project.path) == []
    infra.write_text(text.replace('values   = ["ecs-tasks', 'values   = ["*", "ecs-tasks'))
    judged = found(project.path)
    assert {rule for rule, _ in judged} == {"least-actions"}
    assert any("so no image can run" in message for _, message in judged)
    infra.unlink()
    judged = found(project.path)
    assert {rule for rule, _ in judged} == {"least-actions", "same-service"}
    assert any("example-service-task does not trust" in message for _, message in judged)


def test_settings_for_another_target_than_that_of_infra_are_named(
    copy: Copy, planning: Callable[[Project], Project]
) -> None:
    project = planning(copy(deploy_to="ecs-express"))
    write(project.path, deploy_to="app-runner", cpu=1024, memory=2048)
    judged = found(project.path)
    assert {rule for rule, _ in judged} == {"same-service", "least-actions"}
    message = "service.json deploy_to is app-runner, but infra/service.tf is for ecs-express"
    assert dict(judged)["same-service"] == message


def test_a_step_that_deploys_needs_the_settings(copy: Copy) -> None:
    project = copy(deploy_to="ecs-express")
    (project.path / "service.json").unlink()
    judged = found(project.path)
    assert ("same-service", True) in [
        (rule, "keyless deploy needs service.json" in message) for rule, message in judged
    ]
