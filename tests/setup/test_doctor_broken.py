"""make doctor: what is broken is caught, each in a line of its own, and nothing else."""

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

# What is broken at once, each in a line of its own.
BROKEN = [
    pytest.param([
        lambda desk: change(desk, DEPLOY, f"role/{ROLE}", "role/another-push"),
        provider("delete_open_id_connect_provider"),
        subjects("repo:octo-org/example-service:*"),
        mutable,
        settings(classic=True),
    ], """\
--  contract     .github/workflows/deploy.yml:N: same-role role-to-assume is
                 arn:aws:iam::111122223333:role/another-push and infra/terraform.tfvars.json says
                 arn:aws:iam::111122223333:role/example-service-push, so AWS refuses the job
                 make check
--  provider     account 111122223333 has no OIDC identity provider for GitHub
                 make bootstrap
--  role         example-service-push trusts [{"Condition": {"StringEquals":
                 {"token.actions.githubusercontent.com:aud": ["sts.amazonaws.com"],
                 "token.actions.githubusercontent.com:sub": ["repo:octo-org/example-service:*"]},
                 "StringLike": {"token.actions.githubusercontent.com:ref": ["refs/tags/v*"]}}}] in
                 AWS, which is not what infra/ says
                 make bootstrap
--  registry     tags of example-service are MUTABLE, and infra/ says IMMUTABLE
                 make bootstrap
--  subject      GitHub presents repo:octo-org/example-service, and infra/terraform.tfvars.json has
                 repo:octo-org@123456/example-service@456789
                 make bootstrap
--  commits      not committed, so a release will not have it: .github/workflows/deploy.yml
                 git add FILE && git commit && git push
""", id="in each of the places that must agree stands something else"),
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
--  provider     GitHub's identity provider in account 111122223333 does not know the audience
                 sts.amazonaws.com, so AWS would refuse every token.
                 aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com --client-id sts.amazonaws.com --region us-east-1
--  role         example-service-push trusts [{"Condition": null, "Principal": {"AWS": ["*"]}}] in
                 AWS, which is not what infra/ says
                 make bootstrap
??  registry     unknown: Your AWS user or role may not do this: AccessDeniedException: the emulator
                 was asked to fail DescribeRepositories with 400. The actions that are needed are
                 listed in .github/keyless/docs/permissions.md. Ask an administrator of the account
                 for them. This shows who you are:
                 aws sts get-caller-identity
--  subject      The subject of octo-org/example-service was customised: it holds repo, actor, not
                 repository and context. A role that trusts repository and ref could not be assumed.
                 This undoes it, for this repository alone; ask first who needs it:
                 gh api --method PUT repos/octo-org/example-service/actions/oidc/customization/sub -F use_default=true
""", id="the role trusts everybody, and the subject was customised"),  # noqa: E501
    pytest.param([
        lambda desk: desk.edit(role_name="another-push", ecr_repository="another"),
        settings(archived=True, actions_enabled=False, environments={}, default_branch="develop"),
        settings(secrets=["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]),
    ], """\
--  contract     .github/workflows/deploy.yml:N: same-registry the image goes to the repository
                 example-service, and the role may push to another (infra/terraform.tfvars.json) (2
                 in all)
                 make check
--  role         another-push does not exist
                 make bootstrap
--  registry     another does not exist
                 make bootstrap
--  repository   octo-org/example-service is archived, so no workflow runs
                 gh repo unarchive octo-org/example-service
--  actions      GitHub Actions is switched off in octo-org/example-service, so nothing would be
                 published. Switch it on. If GitHub refuses that, the organisation decides it: ask
                 an owner.
                 gh api --method PUT repos/octo-org/example-service/actions/permissions -F enabled=true -f allowed_actions=all
--  environment  eu: prod does not exist
                 make bootstrap
--  keys         the secret AWS_ACCESS_KEY_ID is still set, and a key lives until somebody
                 deactivates it
                 gh secret delete AWS_ACCESS_KEY_ID --repo octo-org/example-service
                 aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
--  keys         the secret AWS_SECRET_ACCESS_KEY is still set, and a key lives until somebody
                 deactivates it
                 gh secret delete AWS_SECRET_ACCESS_KEY --repo octo-org/example-service
                 aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
--  commits      not committed, so a release will not have it: infra/terraform.tfvars.json
                 git add FILE && git commit && git push
--  deployment   the default branch develop has no deploy.yml, so GitHub cannot start it
                 gh pr create --base develop --fill
??  versions     unknown: whether v0.1.0 was published: GitHub lists no runs of deploy.yml while the
                 default branch has none.
""", id="the repository was put away"),  # noqa: E501
    pytest.param([
        settings(allowed_actions="local_only", environments={ENVIRONMENT: {}}),
        settings(environment_secrets={ENVIRONMENT: ["AWS_SECRET_ACCESS_KEY"]}),
        ran(conclusion="failure"),
        lambda desk: desk.hub.rename(NAME, "new-org/example-service", 654321),
    ], """\
--  repository   GitHub calls octo-org/example-service new-org/example-service: renamed, transferred
                 or other case
                 make bootstrap
--  subject      GitHub presents repo:new-org@654321/example-service@456789, and
                 infra/terraform.tfvars.json has repo:octo-org@123456/example-service@456789
                 make bootstrap
--  actions      octo-org/example-service allows only some actions, and not actions/checkout,
                 actions/setup-python, hashicorp/setup-terraform, docker/setup-buildx-action,
                 docker/build-push-action, aws-actions/configure-aws-credentials,
                 aws-actions/amazon-ecr-login, which its workflows use, so GitHub would start none
                 of the workflows. Allow these, too. If GitHub refuses that, the organisation
                 decides it: send the names to an owner.
                 gh api --method PUT repos/octo-org/example-service/actions/permissions -F enabled=true -f allowed_actions=selected
                 gh api --method PUT repos/octo-org/example-service/actions/permissions/selected-actions -F github_owned_allowed=false -F verified_allowed=false -f 'patterns_allowed[]=actions/checkout@*' -f 'patterns_allowed[]=actions/setup-python@*' -f 'patterns_allowed[]=hashicorp/setup-terraform@*' -f 'patterns_allowed[]=docker/setup-buildx-action@*' -f 'patterns_allowed[]=docker/build-push-action@*' -f 'patterns_allowed[]=aws-actions/configure-aws-credentials@*' -f 'patterns_allowed[]=aws-actions/amazon-ecr-login@*'
--  environment  eu: prod does not say which refs may use it
                 https://github.com/octo-org/example-service/settings/environments
--  keys         the secret AWS_SECRET_ACCESS_KEY is still set, and a key lives until somebody
                 deactivates it
                 gh secret delete AWS_SECRET_ACCESS_KEY --repo octo-org/example-service --env 'eu: prod'
                 aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
--  deployment   v0.1.0 at 2026-08-02T10:00:00Z: failure
                 (https://github.com/octo-org/example-service/actions/runs/4711)
                 gh run view 4711 --repo octo-org/example-service --log-failed
""", id="it was transferred, and set up anew by somebody"),  # noqa: E501
    pytest.param([
        admits("tag v*", "branch main"),
        lambda desk: desk.hub.rename(NAME, "octo-org/Example-Service"),
    ], """\
--  repository   GitHub calls octo-org/example-service octo-org/Example-Service: renamed,
                 transferred or other case
                 make bootstrap
--  subject      GitHub presents repo:octo-org@123456/Example-Service@456789, and
                 infra/terraform.tfvars.json has repo:octo-org@123456/example-service@456789
                 make bootstrap
--  environment  eu: prod admits branch main, tag v*, and the role tag v*
                 https://github.com/octo-org/example-service/settings/environments
""", id="its name differs in case, and the environment is wide"),
    pytest.param([settings(permissions={"pull": False})], """\
--  repository   GitHub shows no repository octo-org/example-service
                 make bootstrap
""", id="GitHub shows no such repository"),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "lines"), BROKEN)
def test_what_is_broken_is_caught_and_nothing_else(
    guarded: Desk, breaks: list[Break], lines: str
) -> None:
    for each in breaks:
        each(guarded)
    ended = guarded.doctor()
    found = [each for each in said(ended) if not each.startswith(("ok", "!!"))]
    assert "\n".join(found) + "\n" == lines
    assert ended.status == 1
