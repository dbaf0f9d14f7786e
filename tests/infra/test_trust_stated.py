"""The generated infra/tests/trust.tftest.hcl: who may publish, what the role may do, and no more.

Its text is held against the values and the tool for each combination of answers; that it fails when
somebody widens either is tried with each entry of widenings.yml.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from keyless.model.account import read_account
from keyless.model.subjects import trust_statement

from tests.conftest import Bake, Copy
from tests.standins.emulator import ROOT
from tests.support.combinations import Answers, every, readable
from tests.support.project import Failed

HERE = ROOT / "tests/infra"


@pytest.mark.parametrize(
    "answers", [each for each in every() if each.get("iac_tool") != "none"], ids=readable
)
def test_the_generated_test_states_the_trust_and_the_actions_of_its_answers(
    bake: Bake, answers: Answers
) -> None:
    """Its text is held against the values and the tool; Terraform holds it against the module."""
    project = bake(**answers)
    text = (project.path / "infra/tests/trust.tftest.hcl").read_text()
    account = read_account(project.path)
    entry = account.entries[project.key]
    owner, name = entry["github_repository"].split("/")
    entry = {**entry, "subject_prefix": f"repo:{owner}@1/{name}@2"}
    assert stated(text, "aws_iam_role.push.assume_role_policy") == {
        "Version": "2012-10-17",
        "Statement": [shortened(trust_statement(account, entry))],
    }
    log_in, push = stated(text, "aws_iam_role_policy.push.policy")["Statement"]
    assert (log_in["Action"], log_in["Resource"]) == ("ecr:GetAuthorizationToken", "*")
    granted = json.loads((project.path / "infra/repository/push-actions.json").read_text())
    assert sorted(push["Action"]) == granted
    arn = f"arn:{account.partition}:ecr:{account.region}:{account.id}:repository"
    assert push["Resource"] == f"{arn}/{entry['ecr_repository']}"
    # The entries in it are the one in terraform.tfvars.json, with a prefix.
    given = {key: value for key, value in entry.items() if value is not None}
    in_text = re.findall(r"^ +github_repository (?:.*\n)+?(?= +\}\n)", text, re.MULTILINE)
    assert len(in_text) == 1
    for shown in map(literal, in_text):
        assert shown.pop("pull_accounts", None) in (None, ["444455556666"])
        assert shown == given
    assert len(text.splitlines()) < 125


def shortened(value: Any) -> Any:
    """Return a policy as Terraform writes it: a list of one value is that value."""
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def stated(text: str, attribute: str) -> Any:
    """Return the document that the generated test compares an attribute with."""
    (found,) = re.findall(
        rf"condition = jsondecode\({re.escape(attribute)}\) == (\{{.*?)\n +error_message",
        text,
        re.DOTALL,
    )
    return literal(found)


def literal(text: str) -> Any:
    """Return a literal value of HCL as Python's, or the object that some attributes make."""
    tokens = re.findall(r'"[^"\n]*"|#[^\n]*|\w+|[^\s\w]|\n', text)
    words = {"=": ":", "\n": ","}
    known = {"true", "false", "null"}
    parts = [
        f'"{token}"' if re.fullmatch(r"[a-zA-Z_]\w*", token) and token not in known else token
        for token in (words.get(token, token) for token in tokens if token[0] != "#")
    ]
    joined = re.sub(r",(?:,)+", ",", "".join(parts).strip(","))
    joined = re.sub(r"([\[{]),", r"\1", re.sub(r",([\]}])", r"\1", joined))
    return json.loads(joined if joined[0] in "[{" else f"{{{joined}}}")


class Widening(NamedTuple):
    """One change of a file of infra/, and the run of a test that must notice it."""

    name: str
    file: str
    before: str
    after: str
    run: str
    answers: Answers


WIDENINGS = [
    Widening(**{"answers": {}, **row})
    for row in yaml.safe_load((HERE / "widenings.yml").read_text())
]


@pytest.mark.usefixtures("offline")
def test_whatever_widens_the_trust_or_the_role_fails_the_test_that_states_it(
    bake: Bake, copy: Copy
) -> None:
    """Each row has a folder and a file of tests of its own; Terraform runs once for all of them."""
    project = copy()
    infra = project.path / "infra"
    shutil.rmtree(infra / "tests")
    (infra / "tests").mkdir()
    for number, row in enumerate(WIDENINGS):
        folder = f"row-{number}"
        shutil.copytree(bake(**row.answers).path / "infra", infra / folder)
        test = run_in(folder, infra / folder / "tests/trust.tftest.hcl", row.run)
        (infra / f"tests/{folder}.tftest.hcl").write_text(test)
        shutil.rmtree(infra / folder / "tests")
        path = infra / folder / row.file
        text = path.read_text()
        assert text.count(row.before) == 1, f"{row.name}: stands {text.count(row.before)} times"
        path.write_text(text.replace(row.before, row.after))
    project.terraform("init", "-backend=false", "-input=false")
    with pytest.raises(Failed) as failed:
        project.terraform("test")
    printed = str(failed.value)
    passed = re.findall(r"^tests/row-(\d+)\.tftest\.hcl\.\.\. pass$", printed, re.MULTILINE)
    assert [WIDENINGS[int(number)].name for number in passed] == []
    assert f"Failure! 0 passed, {len(WIDENINGS)} failed." in printed
    assert set(re.findall("Error: .*", printed)) == {"Error: Test assertion failed"}


def run_in(folder: str, own: Path, name: str) -> str:
    """Return a file with one run, of the generated test or of the module's, for a folder."""
    for path in (own, HERE / "module/repository.tftest.hcl"):
        head, *runs = re.split(r"^(?=run )", path.read_text(), flags=re.MULTILINE)
        for run in runs:
            if run.startswith(f'run "{name}"'):
                if "module {" not in run:
                    module = f'  module {{\n    source = "./{folder}"\n  }}\n\n  variables {{'
                    run = run.replace("  variables {", module)
                run = run.replace('"./repository"', f'"./{folder}/repository"')
                run = run.replace('fileset(".",', f'fileset("{folder}",')
                return head + run.replace("(file(name))", f'(file("{folder}/${{name}}"))')
    raise AssertionError(f"no test has a run {name}")
