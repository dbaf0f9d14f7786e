"""The subject is derived twice, by Terraform and by the tool, and each holds the other."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import product
from typing import Any

import pytest

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import ROOT, Emulator
from tests.support.check import judge
from tests.support.project import Failed, Project

Entry = dict[str, Any]
IDS = "repo:octo-org@123456/example-service@456789"
BARE = "repo:octo-org/example-service"
REFS = [
    ["refs/tags/v*"],
    ["refs/heads/main"],
    ["refs/heads/main", "refs/tags/v*"],
    ["refs/heads/release/2026", "refs/heads/release/2027"],
    ["refs/tags/*"],
]
ENVIRONMENTS = [
    None,
    "production",
    "eu: production (blue)",
    'a "quoted" <name> & cafe\u0301 \u00ff',
]

# Attribute, value, and what else the entry says: each is refused by both, for this attribute alone.
REFUSED: list[tuple[str, Any, Entry]] = [
    ("github_repository", "example-service", {"subject_prefix": None}),
    ("github_repository", "octo-org/example/service", {"subject_prefix": None}),
    ("github_repository", "octo org/example-service", {"subject_prefix": None}),
    ("subject_prefix", "repo:octo-org@123456/example-service", {}),
    ("subject_prefix", "repo:octo-org/example-service@456789", {}),
    ("subject_prefix", "repo:octo-org@*/example-service@*", {}),
    ("subject_prefix", "repo:octo-org@123456/*@456789", {}),
    ("subject_prefix", "repo:octo-org@12345?/example-service@456789", {}),
    ("subject_prefix", "repo:octo-org@123456/${aws:userid}@456789", {}),
    ("subject_prefix", "repo:octo-org-2@123456/example-service@456789", {}),
    ("subject_prefix", "repo:octo-org@123456/example-service-2@456789", {}),
    ("subject_prefix", "repo:Octo-Org@123456/example-service@456789", {}),
    ("subject_prefix", "repo:octo-org@123456/example-service@456789 ", {}),
    ("subject_prefix", " repo:octo-org@123456/example-service@456789", {}),
    ("subject_prefix", "repo:octo-org@123456/example-service@456789\n", {}),
    ("subject_prefix", "repo:octo-org@123456@1/example-service@456789", {}),
    ("subject_prefix", "repo:octo-org@123456/example-service@456789@1", {}),
    ("subject_prefix", "repo:octo-org@123456/example-service@", {}),
    ("subject_prefix", "repo:octo-org@\u0661/example-service@\u0662", {}),
    ("subject_prefix", "repo:octo-org@123456/example-service@456789:ref:refs/heads/main", {}),
    ("subject_prefix", "octo-org@123456/example-service@456789", {}),
    ("subject_prefix", "REPO:octo-org@123456/example-service@456789", {}),
    ("subject_prefix", "repo:octo-org@123456/example-service@456789/", {}),
    ("subject_prefix", "", {}),
    ("refs", [], {}),
    ("refs", [""], {}),
    ("refs", ["main"], {}),
    ("refs", ["heads/main"], {}),
    ("refs", ["refs/heads/"], {}),
    ("refs", ["refs/*"], {}),
    ("refs", ["refs/heads/*"], {}),
    ("refs", ["refs/heads/*"], {"dangerously_trust_any_tag": True}),
    ("refs", ["refs/tags/*"], {}),
    ("refs", ["refs/tags/v*", "refs/tags/*"], {}),
    ("refs", ["refs/tags/**"], {"dangerously_trust_any_tag": True}),
    ("refs", ["refs/pull/1/merge"], {}),
    ("refs", ["refs/tags/v*.0"], {}),
    ("refs", ["refs/tags/v**"], {}),
    ("refs", ["refs/tags/v?"], {}),
    ("refs", ["refs/tags/${aws:userid}"], {}),
    ("refs", ["refs/tags/v 1"], {}),
    ("refs", ["refs/tags/v1\n"], {}),
    ("refs", ["refs/tags/v\v1"], {}),
    ("refs", ["refs/tags/v\x1c1"], {}),
    ("refs", ["*"], {}),
    ("environment", "", {}),
    ("environment", "*", {}),
    ("environment", "prod*", {}),
    ("environment", "prod?", {}),
    ("environment", "${aws:userid}", {}),
    ("environment", "prod\nuction", {}),
    ("environment", "prod\tuction", {}),
    ("environment", "p" * 256, {}),
    ("environment", "a%3Ab", {}),
    ("environment", "rocket \U0001f680", {}),
    ("environment", "soft\u0080", {}),
    ("max_session_duration", 3599, {}),
    ("max_session_duration", 43201, {}),
    ("pull_accounts", ["44445555666"], {}),
    ("pull_accounts", ["444455556666", "*"], {}),
    ("expire_untagged_after_days", 0, {}),
    ("expire_untagged_after_days", 100000, {}),
    ("keep_newest_images", -1, {}),
    ("test_ids", True, {"subject_prefix": BARE}),
    ("ecr_repository", "Example-Service", {}),
    ("ecr_repository", "e", {}),
    ("ecr_repository", "1example", {}),
    ("ecr_repository", "example//service", {}),
    ("role_name", "GitHubActions", {}),
    ("role_name", "a b", {}),
    ("role_name", "r" * 65, {}),
]


def entries(changes: list[Entry]) -> dict[str, Entry]:
    """Return entries of `repositories`, each with its own role and registry."""
    given = {"github_repository": "octo-org/example-service", "subject_prefix": IDS}
    return {
        f"entry-{n}": {
            **given,
            "refs": ["refs/tags/v*"],
            "ecr_repository": f"registry-{n}",
            "role_name": f"role-{n}",
            **change,
        }
        for n, change in enumerate(changes)
    }


def accepted() -> list[Entry]:
    """Return every combination that both must accept, and in which they must agree."""
    found = []
    for prefix, refs, environment in product([IDS, BARE], REFS, ENVIRONMENTS):
        for test_ref, test_ids in product([True, False], [False, True]):
            entry: Entry = {"subject_prefix": prefix, "refs": refs, "environment": environment}
            if not test_ref:
                entry["test_ref"] = False
            if refs == ["refs/tags/*"]:
                entry["dangerously_trust_any_tag"] = True
            if test_ids and prefix == IDS:
                entry["test_ids"] = True
            if test_ids == ("test_ids" in entry):
                found.append(entry)
    return found


def subjects(project: Project, run: Run, status: int = 0) -> dict[str, Any]:
    """Return what `keyless subjects` prints; it runs where there is no PyYAML."""
    done = run(sys.executable, "-IB", ".github/keyless", "subjects", "--json", cwd=project.path)
    assert done.returncode == status, done.stdout
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def write(project: Project, given: dict[str, Entry], region: str = "us-east-1") -> None:
    """Give a project other entries."""
    values = {**project.tfvars, "aws_region": region, "repositories": given}
    (project.path / "infra/terraform.tfvars.json").write_text(json.dumps(values))


def planned_trust(project: Project, emulator: Emulator) -> dict[str, Any]:
    """Return the conditions of each role that is planned, with lists for all values."""
    project.terraform("init", "-input=false")
    project.terraform("plan", "-input=false", "-out=x.tfplan", emulator=emulator)
    plan = json.loads(project.terraform("show", "-json", "x.tfplan", emulator=emulator))
    shown = plan["planned_values"]["outputs"]["allowed_subjects"]["value"]
    found = {}
    for module in plan["planned_values"]["root_module"]["child_modules"]:
        (role,) = [item for item in module["resources"] if item["type"] == "aws_iam_role"]
        (statement,) = json.loads(role["values"]["assume_role_policy"])["Statement"]
        found[module["address"].split('"')[1]] = {
            operator: {
                key: [value] if isinstance(value, str) else sorted(value)
                for key, value in tested.items()
            }
            for operator, tested in statement["Condition"].items()
        }
    assert set(shown) == set(found)
    return {key: (found[key], sorted(shown[key])) for key in found}


def without_pyyaml(project: Project) -> None:
    """Let an import of yaml be seen: it is named where the tool imports it."""
    path = project.path / ".github/keyless/model/documents.py"
    text = path.read_text()
    assert text.count("    import yaml") == 1
    path.write_text(text.replace("    import yaml", "    raise SystemExit('yaml is imported')"))


def test_terraform_and_the_check_derive_the_same_conditions(
    copy: Copy, run: Run, emulator: Emulator
) -> None:
    project = copy()
    without_pyyaml(project)
    given = entries(accepted())
    assert len(given) == 120
    write(project, given)
    derived = subjects(project, run)
    planned = planned_trust(project, emulator)
    assert set(derived) == set(planned)
    for key, (conditions, shown) in planned.items():
        mine = {
            operator: {name: sorted(values) for name, values in tested.items()}
            for operator, tested in derived[key]["conditions"].items()
        }
        assert (mine, sorted(derived[key]["subjects"])) == (conditions, shown), given[key]


PARTITION = """
run "{name}" {{
  command = plan

  module {{
    source = "./repository"
  }}

  variables {{
    account = {{
      id                = "111122223333"
      region            = "{region}"
      partition         = "{name}"
      oidc_provider_arn = "arn:{name}:iam::111122223333:oidc-provider/{issuer}"
      audience          = "{audience}"
    }}
    entry = {entry}
  }}

  assert {{
    condition = jsonencode(
      jsondecode(aws_iam_role.push.assume_role_policy).Statement[0].Condition
    ) == jsonencode({expected})
    error_message = aws_iam_role.push.assume_role_policy
  }}
}}
"""


@pytest.mark.slow
def test_they_agree_in_other_partitions_where_no_further_claim_is_tested(
    copy: Copy, run: Run
) -> None:
    """Offline: the emulator calls every partition `aws`."""
    project = copy()
    tests = project.path / "infra/tests/trust.tftest.hcl"
    module = ROOT / "tests/infra/module/repository.tftest.hcl"
    written = module.read_text().partition("\nrun ")[0]
    issuer = "token.actions.githubusercontent.com"
    for region, name, audience in (
        ("cn-north-1", "aws-cn", "sts.amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "sts.amazonaws.com"),
    ):
        given = entries([{"environment": "production"}])
        write(project, given, region)  # test_ref is true, and has no effect
        derived = subjects(project, run)["entry-0"]["conditions"]
        assert derived["StringEquals"][f"{issuer}:aud"] == [audience]
        assert f"{issuer}:ref" not in str(derived)
        plain = {test: {key: value for key, (value,) in derived[test].items()} for test in derived}
        written += PARTITION.format(
            name=name,
            region=region,
            issuer=issuer,
            audience=audience,
            entry=json.dumps({**given["entry-0"], "test_ref": False}),
            expected=json.dumps(plain),
        )
    tests.write_text(written)
    project.terraform("init", "-backend=false", "-input=false")
    assert "2 passed, 0 failed" in project.terraform("test", f"-filter=tests/{tests.name}")


def test_both_refuse_the_same_values_for_the_same_attribute(
    copy: Copy, run: Run, emulator: Emulator
) -> None:
    project = copy()
    given = entries([{**others, attribute: value} for attribute, value, others in REFUSED])
    write(project, given)
    found = subjects(project, run, status=1)
    for (attribute, value, _), errors in zip(REFUSED, found.values(), strict=True):
        assert {error.split()[0] for error in errors["errors"]} == {attribute}, value
    project.terraform("init", "-input=false")
    with pytest.raises(Failed) as failed:
        project.terraform("plan", "-input=false", "-json", emulator=emulator)
    lines = [line for line in str(failed.value).splitlines() if line.startswith("{")]
    said = [json.loads(line).get("diagnostic", {}).get("detail", "") for line in lines]
    refused = Counter(text.split()[0] for text in said if text)
    # Terraform wants a prefix ("The subject ... is not known yet"); the check waits for it.
    waiting = sum(others.get("subject_prefix", "") is None for _, _, others in REFUSED)
    assert refused == Counter([attribute for attribute, _, _ in REFUSED] + ["The"] * waiting)


def test_two_entries_never_share_a_role_or_a_registry(copy: Copy, emulator: Emulator) -> None:
    project = copy()
    project.terraform("init", "-input=false")
    for attribute in ("role_name", "ecr_repository"):
        given = entries([{}, {}])
        given["entry-1"][attribute] = given["entry-0"][attribute].replace("role", "ROLE")
        write(project, given)
        assert f"another entry has the same {attribute}" in judge(project.path)[1]
        with pytest.raises(Failed, match="Two entries of repositories share"):
            project.terraform("plan", "-input=false", emulator=emulator)


def test_subjects_are_empty_until_github_has_been_asked(bake: Bake, run: Run) -> None:
    answer = subjects(bake(), run)["example-service"]
    assert answer["subjects"] == []
    assert answer["role_arn"] == "arn:aws:iam::111122223333:role/example-service-push"
