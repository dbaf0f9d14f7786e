"""make doctor: each thing that is broken gets a line of its own, and nothing else does."""

from __future__ import annotations

import pytest

from tests.standins import github
from tests.support.bootstrap import ENVIRONMENT, NAME
from tests.support.desk import Desk
from tests.support.doctor import (
    DEPLOY,
    ROLE,
    Break,
    admits,
    change,
    mutable,
    provider,
    ran,
    said,
    settings,
    subjects,
    trust,
)

# What is broken at once, and the lines that report it.
BROKEN = [
    pytest.param([
        lambda desk: change(desk, DEPLOY, f"role/{ROLE}", "role/another-push"),
        provider("delete_open_id_connect_provider"),
        subjects("repo:octo-org/example-service:*"),
        mutable,
        settings(classic=True),
    ], """\
wrong    contract     .github/workflows/deploy.yml:N: same-role role-to-assume is
                      arn:aws:iam::111122223333:role/another-push, but infra/terraform.tfvars.json
                      says arn:aws:iam::111122223333:role/example-service-push, so AWS refuses the
                      job
                      make check
wrong    provider     account 111122223333 has no OIDC identity provider for GitHub
                      make bootstrap
wrong    role         the trust policy of example-service-push does not match infra/:
                      Condition StringEquals sub:
                        in AWS     repo:octo-org/example-service:*
                        in infra/  repo:octo-org@123456/example-service@456789:environment:eu%3A
                        prod
                      make bootstrap
wrong    registry     the tags of the ECR repository example-service are MUTABLE, but infra/ says
                      IMMUTABLE
                      make bootstrap
wrong    subject      GitHub presents repo:octo-org/example-service, but infra/terraform.tfvars.json
                      has repo:octo-org@123456/example-service@456789
                      make bootstrap
wrong    commits      a release will not contain what is not committed: .github/workflows/deploy.yml
                      git add FILE && git commit && git push

6 things are wrong: contract, provider, role, registry, subject, commits.
""", id="each of the places that must agree has another value"),
    pytest.param([
        provider("delete_open_id_connect_provider"),
        lambda desk: desk.emulator.client("iam").create_open_id_connect_provider(
            Url=github.ISSUER, ClientIDList=["https://github.com/octo-org"]
        ),
        lambda desk: trust(desk, lambda one: one.pop("Condition")),
        lambda desk: trust(desk, lambda one: one.update(Principal={"AWS": "*"})),
        lambda desk: desk.emulator.fail("DescribeRepositories", 400, 9, "AccessDeniedException"),
        settings(oidc={"use_default": False, "include_claim_keys": ["repo", "actor"]}),
    ], """\
wrong    provider     GitHub's OIDC identity provider in account 111122223333 does not accept the
                      audience sts.amazonaws.com, so AWS would refuse every token.
                      aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com --client-id sts.amazonaws.com --region us-east-1
wrong    role         the trust policy of example-service-push does not match infra/:
                      Condition StringEquals aud:
                        in AWS     nothing
                        in infra/  sts.amazonaws.com
                      Condition StringEquals sub:
                        in AWS     nothing
                        in infra/  repo:octo-org@123456/example-service@456789:environment:eu%3A
                        prod
                      Condition StringLike ref:
                        in AWS     nothing
                        in infra/  refs/tags/v*
                      Principal AWS:
                        in AWS     *
                        in infra/  nothing
                      Principal Federated:
                        in AWS     nothing
                        in infra/
                        arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com
                      make bootstrap
unknown  registry     Your AWS user or role does not have permission for this:
                      AccessDeniedException: the emulator was asked to fail DescribeRepositories
                      with 400. All actions that it needs are listed in
                      .github/keyless/docs/permissions.md. Ask an administrator of the account for
                      them. To see who you are:
                      aws sts get-caller-identity
wrong    subject      The subject of octo-org/example-service was customised: it contains repo,
                      actor, instead of repository and context. No job could assume a role that
                      trusts repository and ref. Ask who needs this setting. To undo it for this
                      repository only:
                      gh api --method PUT repos/octo-org/example-service/actions/oidc/customization/sub -F use_default=true

3 things are wrong: provider, role, subject. 1 thing could not be checked: registry.
""", id="the role trusts everybody, and the subject was customised"),  # noqa: E501
    pytest.param([
        lambda desk: desk.edit(role_name="another-push", ecr_repository="another"),
        settings(archived=True, actions_enabled=False, environments={}, default_branch="develop"),
        settings(secrets=["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]),
    ], """\
wrong    contract     .github/workflows/deploy.yml:N: same-registry the image goes to the ECR
                      repository example-service, but the role can push only to another
                      (infra/terraform.tfvars.json) (2 in all)
                      make check
wrong    role         the role another-push does not exist
                      make bootstrap
wrong    registry     the ECR repository another does not exist
                      make bootstrap
wrong    repository   octo-org/example-service is archived, so no workflow runs
                      gh repo unarchive octo-org/example-service
wrong    actions      GitHub Actions is switched off in octo-org/example-service, so nothing would
                      be published. Switch it on. If GitHub refuses this, ask an owner of the
                      organisation to do it.
                      gh api --method PUT repos/octo-org/example-service/actions/permissions -F enabled=true -f allowed_actions=all
wrong    environment  the environment eu: prod does not exist
                      make bootstrap
wrong    keys         the secret AWS_ACCESS_KEY_ID is still set. Delete it, and deactivate the key:
                      it still works.
                      gh secret delete AWS_ACCESS_KEY_ID --repo octo-org/example-service
                      aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
wrong    keys         the secret AWS_SECRET_ACCESS_KEY is still set. Delete it, and deactivate the
                      key: it still works.
                      gh secret delete AWS_SECRET_ACCESS_KEY --repo octo-org/example-service
                      aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
wrong    commits      a release will not contain what is not committed: infra/terraform.tfvars.json
                      git add FILE && git commit && git push
wrong    deployment   the default branch develop has no deploy.yml, so GitHub cannot start it
                      gh pr create --base develop --fill
unknown  versions     GitHub lists the runs of deploy.yml only if the default branch has this file.
                      So it is not known whether v0.1.0 was published.

9 things are wrong: contract, role, registry, repository, actions, environment, keys, commits,
deployment. 1 thing could not be checked: versions.
""", id="the repository was archived"),  # noqa: E501
    pytest.param([
        settings(allowed_actions="local_only", environments={ENVIRONMENT: {}}),
        settings(environment_secrets={ENVIRONMENT: ["AWS_SECRET_ACCESS_KEY"]}),
        ran(conclusion="failure"),
        lambda desk: desk.hub.rename(NAME, "new-org/example-service", 654321),
    ], """\
wrong    repository   octo-org/example-service is new-org/example-service on GitHub: it was renamed
                      or transferred, or upper and lower case differ
                      make bootstrap
wrong    subject      GitHub presents repo:new-org@654321/example-service@456789, but
                      infra/terraform.tfvars.json has repo:octo-org@123456/example-service@456789
                      make bootstrap
wrong    actions      octo-org/example-service allows only some actions, but its workflows also use
                      actions/checkout, actions/setup-python, hashicorp/setup-terraform,
                      docker/setup-buildx-action, docker/build-push-action,
                      aws-actions/configure-aws-credentials, aws-actions/amazon-ecr-login. So GitHub
                      would start none of the workflows. Allow these actions, too. If GitHub refuses
                      this, send their names to an owner of the organisation.
                      gh api --method PUT repos/octo-org/example-service/actions/permissions -F enabled=true -f allowed_actions=selected
                      gh api --method PUT repos/octo-org/example-service/actions/permissions/selected-actions -F github_owned_allowed=false -F verified_allowed=false -f 'patterns_allowed[]=actions/checkout@*' -f 'patterns_allowed[]=actions/setup-python@*' -f 'patterns_allowed[]=hashicorp/setup-terraform@*' -f 'patterns_allowed[]=docker/setup-buildx-action@*' -f 'patterns_allowed[]=docker/build-push-action@*' -f 'patterns_allowed[]=aws-actions/configure-aws-credentials@*' -f 'patterns_allowed[]=aws-actions/amazon-ecr-login@*'
wrong    environment  the environment eu: prod does not limit which refs can use it
                      https://github.com/octo-org/example-service/settings/environments
wrong    keys         the secret AWS_SECRET_ACCESS_KEY is still set. Delete it, and deactivate the
                      key: it still works.
                      gh secret delete AWS_SECRET_ACCESS_KEY --repo octo-org/example-service --env 'eu: prod'
                      aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
wrong    deployment   the last run, for v0.1.0 at 2026-08-02T10:00:00Z: failure
                      (https://github.com/octo-org/example-service/actions/runs/4711)
                      gh run view 4711 --repo octo-org/example-service --log-failed

6 things are wrong: repository, subject, actions, environment, keys, deployment.
""", id="it was transferred, and set up anew by somebody"),  # noqa: E501
    pytest.param([
        admits("tag v*", "branch main"),
        lambda desk: desk.hub.rename(NAME, "octo-org/Example-Service"),
    ], """\
wrong    repository   octo-org/example-service is octo-org/Example-Service on GitHub: it was renamed
                      or transferred, or upper and lower case differ
                      make bootstrap
wrong    subject      GitHub presents repo:octo-org@123456/Example-Service@456789, but
                      infra/terraform.tfvars.json has repo:octo-org@123456/example-service@456789
                      make bootstrap
wrong    environment  the environment eu: prod admits branch main, tag v*, but the role trusts tag
                      v*
                      https://github.com/octo-org/example-service/settings/environments

3 things are wrong: repository, subject, environment.
""", id="its name differs in case, and the environment is wide"),
    pytest.param([settings(permissions={"pull": False})], """\
wrong    repository   GitHub has no repository octo-org/example-service, or you do not have access
                      to it
                      make bootstrap

1 thing is wrong: repository. The rest was not checked.
""", id="GitHub shows no such repository"),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "lines"), BROKEN)
def test_doctor_reports_what_is_broken_and_nothing_else(
    guarded: Desk, breaks: list[Break], lines: str
) -> None:
    for each in breaks:
        each(guarded)
    ended = guarded.doctor()
    found = [each for each in said(ended) if not each.startswith(("ok ", "warning "))]
    verdict = ended.out.rpartition("\n\n")[2]
    assert "\n".join(found) + "\n\n" + verdict == lines
    assert ended.status == 1
