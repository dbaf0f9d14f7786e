"""bootstrap with an infra/ that a team has changed: the verdict is that of CI."""

from __future__ import annotations

import pytest

from tests.support.desk import Desk
from tests.support.infra_cases import infra_cases

DOCS = next(each for each in infra_cases("ordinary") if "documentation" in each.name)


def test_what_is_unknown_before_the_apply_is_judged_in_a_plan_without_aws(desk: Desk) -> None:
    """A role trusts the provider by its attribute, which the first plan for AWS does not show."""
    DOCS.apply(desk.path)
    planned = desk.bootstrap("--plan")  # also before the repository, and so its subject, exists
    assert "create     role docs" in planned.out
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    iam = desk.emulator.client("iam")
    assert {role["RoleName"] for role in iam.list_roles()["Roles"]} >= {
        "docs",
        "example-service-push",
    }
    assert desk.keyless("check").status == 0
    ended = desk.bootstrap("--yes")
    assert (ended.status, "Nothing to do: everything is in place." in ended.out) == (0, True), (
        ended.out
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DOCS.files["infra/docs.tf"].partition("\n")[2], "infra/docs.tf:1: known-roles"),
        ('variable "team" {\n  type = string\n}\n', "No value for required variable"),
    ],
    ids=["a-role-without-a-reason", "what-cannot-be-planned"],
)
def test_what_ci_refuses_is_not_applied(desk: Desk, text: str, says: str) -> None:
    (desk.path / "infra/docs.tf").write_text(text)
    ended = desk.bootstrap("--yes")
    assert ended.status == 1
    assert "make check has found this, so nothing is applied" in ended.out
    assert says in " ".join(ended.out.split())
    assert desk.changes() == []
    assert says in " ".join(desk.keyless("check").out.split())
