"""What infra/ says to the AWS provider fits each version that infra/versions.tf allows.

Terraform is not run here: tests/infra/schemas.yml has the schemas, and `make lock` writes it.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.support import schemas
from tests.support.combinations import Answers, distinct_infra, readable
from tests.support.provider_packages import changed, distilled, schema_of

SCHEMAS = schemas.recorded()
OLDEST, FIRST_WITH_LATEST, NEWEST = SCHEMAS
EVERY = [OLDEST, FIRST_WITH_LATEST, NEWEST]
SERVICE = {"deploy_to": "ecs-express"}
NONE = "there is no such argument or block"
UNREAD = " is read, but there is no such attribute"


def problems(texts: dict[str, str], version: str) -> list[str]:
    """Return what a version of the provider refuses in these files."""
    found = (schemas.problems(*each, version, SCHEMAS[version]) for each in texts.items())
    return [line for lines in found for line in lines]


def edited(bake: Bake, name: str, before: str, after: str) -> dict[str, str]:
    """Return the files of an infra/ in which a part of one file is replaced."""
    texts = schemas.files(bake(**SERVICE).path / "infra")
    assert texts[name].count(before) == 1, before
    return {**texts, name: texts[name].replace(before, after)}


def test_the_promised_versions_and_a_newer_one_are_recorded_with_their_sources() -> None:
    assert (OLDEST, FIRST_WITH_LATEST) == ("5.100.0", "6.8.0")
    major, minor, _ = map(int, NEWEST.split("."))
    assert (major, minor) > (6, 8)
    for schema in SCHEMAS.values():
        assert re.fullmatch(
            r"cdkt[fn][\w-]+ \d+\.\d+\.\d+", f"{schema['package']} {schema['version']}"
        )
        assert re.fullmatch(r"[0-9a-f]{64}", schema["sha256"])


@pytest.mark.parametrize("answers", distinct_infra(), ids=readable)
def test_each_version_of_the_provider_that_is_allowed_knows_all_of_infra(
    bake: Bake, answers: Answers
) -> None:
    texts = schemas.files(bake(**answers).path / "infra")
    versions = schemas.allowed(texts["infra/versions.tf"], SCHEMAS)
    assert versions == (EVERY if answers["second_tag"] == "commit" else EVERY[1:])
    assert [line for version in versions for line in problems(texts, version)] == []


def test_the_exclusion_filter_is_unknown_in_5_100_and_known_from_6_8_on(bake: Bake) -> None:
    texts = schemas.files(bake(second_tag="latest").path / "infra")
    address = "aws_ecr_repository.image.image_tag_mutability_exclusion_filter"
    assert problems(texts, OLDEST) == [
        f"infra/repository/registry.tf, AWS provider 5.100.0: {address}: {NONE}",
        f"infra/tests/trust.tftest.hcl, AWS provider 5.100.0: {address}{UNREAD}",
    ]
    assert problems(texts, FIRST_WITH_LATEST) == problems(texts, NEWEST) == []


REGISTRY, TRUST = "infra/repository/registry.tf", "infra/repository/trust.tf"
ROLE, DOCUMENT = "aws_iam_role.push", "data.aws_iam_policy_document.trust.statement"
IMAGE, PROVIDERS = "aws_ecr_repository.image", "aws_ecs_cluster_capacity_providers.service"
MISSING = "it is required, and missing"
COMPUTED = "the provider computes it, so it cannot be set"
UNRECORDED = "schemas.yml has no resource aws_ecr. Type: make lock"
VALUES, SCAN = "values   = condition.value", "image_scanning_configuration"
EDITS = [  # the file, what stands in it, what is written instead, and what is said of that
    (REGISTRY, "force_delete ", "force_destroy ", f"{IMAGE}.force_destroy: {NONE}"),
    ("infra/versions.tf", "default_tags {", "usual_tags {", f"provider.aws.usual_tags: {NONE}"),
    ("infra/service.tf", "cluster_name ", "cluster ", f"{PROVIDERS}.cluster_name: {MISSING}"),
    ("infra/tests/trust.tftest.hcl", "access_key ", "key ", f"provider.aws.key: {NONE}"),
    (TRUST, VALUES, "value = 1", f"{DOCUMENT}.condition.value: {NONE}"),
    (TRUST, VALUES, "", f"{DOCUMENT}.condition.values: {MISSING}"),
    (TRUST, 'dynamic "condition"', 'dynamic "conditions"', f"{DOCUMENT}.conditions: {NONE}"),
    (TRUST, "  assume_role_policy ", "  # ", f"{ROLE}.assume_role_policy: {MISSING}"),
    (TRUST, "  path ", "  arn = 1\n  path ", f"{ROLE}.arn: {COMPUTED}"),
    (TRUST, "= var.account.role_path", "{}", f"{ROLE}.path: it is an argument"),
    (REGISTRY, f"{SCAN} {{", f"{SCAN} = {{", f"{IMAGE}.{SCAN}: it is a block"),
    (REGISTRY, f"{ROLE}.name", f"{ROLE}.title", f"{ROLE}.title{UNREAD}"),
    (REGISTRY, "pull[*].json", "pull[*].text", f"data.aws_iam_policy_document.pull.text{UNREAD}"),
    (REGISTRY, '"aws_ecr_repository"', '"aws_ecr"', f"aws_ecr.image: {UNRECORDED}"),
]


@pytest.mark.parametrize(("name", "before", "after", "said"), EDITS)
def test_what_the_provider_would_refuse_is_found_with_file_and_address(
    bake: Bake, name: str, before: str, after: str, said: str
) -> None:
    texts = edited(bake, name, before, after)
    for version in EVERY:
        assert f"{name}, AWS provider {version}: {said}" in problems(texts, version)


def test_a_versions_tf_allows_what_lies_between_its_bounds() -> None:
    text = 'terraform {\nrequired_providers {\naws = {\nversion = ">= 5.100, < 7"\n}\n}\n}\n'
    versions = ["5.99.1", "5.100.0", "6.0.0", "7.0.0", "10.1.0"]
    assert schemas.allowed(text, versions) == ["5.100.0", "6.0.0"]


def test_the_schemas_are_those_of_the_types_in_use_and_of_no_other(bake: Bake) -> None:
    paths = [bake(**answers).path for answers in distinct_infra()]
    used = schemas.used(text for path in paths for text in schemas.files(path / "infra").values())
    assert schemas.uncovered(used, SCHEMAS) == []
    other = used - {("resource", "aws_iam_role")} | {("data", "aws_iam_role")}
    assert schemas.uncovered(other, {NEWEST: SCHEMAS[NEWEST]}) == [
        f"data aws_iam_role is in infra/, but not in schemas.yml for {NEWEST}. Type: make lock",
        f"resource aws_iam_role is not in infra/, but in schemas.yml for {NEWEST}. Type: make lock",
    ]


LINK = "{@link https://example.org/docs/resources/thing"
MODULE = f"""
class Thing(TerraformResource):
    '''Represents a {LINK} aws_thing}}.'''
    @builtins.property
    def name(self): ...
    @builtins.property
    def name_input(self): ...
    @builtins.property
    def arn(self): ...
    def reset_name(self): ...

class ThingConfig(TerraformMetaArguments):
    def __init__(
        self, *, count: int = None, lambda_: str, name: typing.Optional[str] = None, rule: Sequence["ThingRule"],
        more: typing.Optional[ThingMore] = None, shape: typing.Optional["ThingShape"] = None,
    ) -> None:
        '''
        :param count: 
        :param lambda_: Which one.

        It may have two paragraphs. {LINK}#lambda Thing#lambda}}
        :param name: Docs at Terraform Registry: {LINK}#name Thing#name}}.
        :param rule: rule block. Docs at Terraform Registry: {LINK}#rule Thing#rule}}
        :param more: more block. Docs at Terraform Registry: {LINK}#more Thing#more}}
        :param shape: Docs at Terraform Registry: {LINK}#shape Thing#shape}}
        '''

class ThingRule:
    def __init__(self, *, text: str) -> None:
        '''
        :param text: Docs at Terraform Registry: {LINK}#text Thing#text}}.
        '''

class ThingMore:
    def __init__(self) -> None: ...

class ThingShape:
    def __init__(self) -> None: ...
"""  # noqa: E501, W291


def test_a_schema_is_read_from_the_module_that_was_generated_for_a_type() -> None:
    assert schema_of(MODULE, "aws_thing") == {
        "required": ["lambda", "rule"],  # a block that must be there is required, too
        "optional": [
            "name",
            "shape",
        ],  # what has a shape is no block unless its documentation says so
        "blocks": {"rule": {"required": ["text"]}, "more": {}},
        "computed": ["arn"],
    }


def test_a_package_says_which_provider_it_has_and_one_without_a_type_is_refused(
    tmp_path: Path,
) -> None:
    wheel = tmp_path / "things-1.2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as package:
        text = "Name: the-things\nVersion: 1.2.0\n\nfor hashicorp/aws provider version 6.70.2\n"
        package.writestr("things-1.2.0.dist-info/METADATA", text)
        package.writestr("things/thing/__init__.py", MODULE)
        package.writestr("things/data_aws_thing/__init__.py", MODULE)
    version, found = distilled(wheel, {("resource", "aws_thing"), ("data", "aws_thing")})
    assert (version, found["package"], found["version"]) == ("6.70.2", "the-things", "1.2.0")
    assert list(found["data"]) == list(found["resource"]) == ["aws_thing"]
    with pytest.raises(SystemExit, match=r"AWS provider 6\.70\.2 has no resource aws_other"):
        distilled(wheel, {("resource", "aws_other")})


def test_a_package_that_is_not_the_recorded_file_is_noticed() -> None:
    one = {"6.1.0": {"package": "p", "version": "1.0.0", "sha256": "a"}}
    assert changed(one, one) == []
    assert changed(one, {"6.2.0": {**one["6.1.0"], "version": "1.1.0", "sha256": "b"}}) == []
    assert changed(one, {"6.1.0": {**one["6.1.0"], "sha256": "b"}}) == ["p 1.0.0"]
