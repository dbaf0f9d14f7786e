"""The workflow asks for a token with the audience that the role accepts."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.findings import Finding
from keyless.model.plan import Plan
from keyless.model.repository import Repository
from keyless.paths import OIDC_TF
from keyless.rules._values import compare_input

ID = "same-audience"
WHY = "The trust policy accepts exactly one audience. In China it is a different one."
SOURCES = (
    (
        "configure-aws-credentials",
        "https://github.com/aws-actions/configure-aws-credentials",
    ),
)
BEFORE = "audience: sts.amazonaws.com.cn # and the region is us-east-1"
AFTER = "audience: sts.amazonaws.com"


def find(repository: Repository) -> Iterator[Finding]:
    """Compare the audience of each step, and of the identity provider of a plan."""
    account = repository.account
    in_china = account.partition == "aws-cn"  # elsewhere the action's default is right
    yield from compare_input(repository, "audience", ID, account.audience, needed=in_china)
    if repository.plan:
        yield from _planned_provider(repository.plan)


def _planned_provider(plan: Plan) -> Iterator[Finding]:
    """Judge whether a plan makes the identity provider that it shall, with the audience."""
    account = plan.account
    made = [
        each for each in plan.of("aws_iam_openid_connect_provider") if each.issuer == account.issuer
    ]
    wanted = plan.shown["variables"].get("create_oidc_provider", {}).get("value")
    if not made and wanted in (True, "true"):  # as text, where -var gives it
        message = (
            f"infra/ creates no identity provider for {account.issuer}, so AWS refuses every token"
        )
        mend = f"restore {OIDC_TF}, or write create_oidc_provider: false if there is one already"
        yield Finding(*plan.where("module.repository"), ID, message, mend)
    for provider in made:
        if account.audience not in (provider.get("client_id_list") or []):
            message = f"the identity provider does not accept the audience {account.audience}"
            where = plan.where(provider.address)
            yield Finding(*where, ID, message, "add it to client_id_list")
