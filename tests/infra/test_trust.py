"""The attack matrix: who gets the roles of a project, tried with more than a thousand tokens.

Each case (tests/support/attacks.py) says by its construction whether the role is meant for it. Two
judges must say the same: MiniStack's STS, which holds the applied trust policy, and
tests/standins/iam.py, which reads it back and follows AWS's documentation. If MiniStack 1.5.33
differs from the documentation, a test of its own names the difference, and the documentation
decides.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from tests.conftest import Bake
from tests.standins import github
from tests.standins.emulator import Emulator, emulated_aws
from tests.standins.iam import assume_allowed
from tests.support.attacks import (
    ENTRIES,
    FAMILIES,
    GRANTS,
    GRANTS_WITH_MORE_CLAIMS,
    HOST,
    MAIN,
    OWN,
    STRING_LIKE,
    SUB,
    TESTED,
    WITH_IDS,
    Attempt,
    Case,
    Family,
    Grant,
    a_character_of_the_other_case,
    blanks_and_control_characters,
    cases,
    disagreeing_claims,
    hostile,
    little_or_much,
    look_alike_owners,
    look_alike_repositories,
    missing_claims,
    other_audiences,
    other_contexts,
    other_ids,
    other_spellings,
    several_audiences,
    several_subjects,
    text_behind,
    two_subjects_in_one,
)
from tests.support.project import Project

PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST}"
AUD, REF, AMR = f"{HOST}:aud", f"{HOST}:ref", f"{HOST}:amr"

# The evaluator first: each rule of the documentation once, before anything relies on it.

ON_ONE_KEY = [  # whether it holds, operator, value in the policy, value in the request
    ("equals_minds_the_case", False, "StringEquals", "A", "a"),
    ("equals_knows_no_wildcard", False, "StringEquals", "a*", "ab"),
    ("equals_is_literal", True, "StringEquals", "a*?[b]", "a*?[b]"),
    ("no_value_matches_nothing", False, "StringEquals", [], "a"),
    ("values_are_alternatives", True, "StringEquals", ["b", "a"], "a"),
    ("a_missing_key_equals_nothing", False, "StringEquals", "", None),
    ("a_missing_key_is_like_nothing", False, "StringLike", "*", None),
    ("not_equals_excludes_each_value", False, "StringNotEquals", ["a", "b"], "a"),
    ("not_equals_takes_the_rest", True, "StringNotEquals", ["a", "b"], "c"),
    ("a_missing_key_is_not_equal", True, "StringNotEquals", "a", None),
    ("not_like_knows_wildcards", False, "StringNotLike", "a*", "ab"),
    ("a_missing_key_is_not_like", True, "StringNotLike", "*", None),
    ("ignoring_case_is_not_like", False, "StringEqualsIgnoreCase", "A*", "ab"),
    ("ignoring_case_ignores_it", True, "StringEqualsIgnoreCase", "A", "a"),
    ("not_equals_ignoring_case", False, "StringNotEqualsIgnoreCase", "A", "a"),
    ("like_minds_the_case", False, "StringLike", "A*", "ab"),
    ("like_covers_the_whole_value", False, "StringLike", "b", "abc"),
    ("like_ends_behind_a_newline", False, "StringLike", "a", "a\n"),
    ("like_knows_no_brackets", False, "StringLike", "[a-z].+", "a.b"),
    ("a_question_mark_is_one_character", False, "StringLike", "a?", "a"),
    ("a_question_mark_is_any_character", True, "StringLike", "a?", "a\n"),
    ("a_star_may_be_nothing", True, "StringLike", "a*", "a"),
    ("a_star_may_hold_newlines", True, "StringLike", "a*z", "a\nb\nz"),
    ("if_exists_still_compares", False, "StringEqualsIfExists", "a", "b"),
    ("if_exists_takes_a_missing_key", True, "StringEqualsIfExists", "a", None),
    ("null_refuses_a_key", False, "Null", "true", "a"),
    ("null_wants_no_key", True, "Null", "true", None),
    ("not_null_refuses_a_missing_key", False, "Null", False, None),
    ("not_null_wants_a_key", True, "Null", False, "a"),
    ("for_all_values_means_each", False, "ForAllValues:StringEquals", "a", ["a", "b"]),
    ("for_all_values_takes_a_missing_key", True, "ForAllValues:StringEquals", "a", None),
    ("for_all_values_takes_an_empty_text", True, "ForAllValues:StringEquals", "a", ""),
    ("for_any_value_needs_one", False, "ForAnyValue:StringLike", "a*", ["b", "c"]),
    ("for_any_value_needs_a_key", False, "ForAnyValue:StringNotEquals", "a", None),
    ("for_any_value_needs_only_one", True, "ForAnyValue:StringLike", "a*", ["b", "ab"]),
    ("several_values_need_a_set_operator", False, "StringEquals", "a", ["a", "b"]),
    ("a_list_of_one_is_one_value", True, "StringEquals", "a", ["a"]),
    ("an_unknown_variable_matches_nothing", False, "StringLike", "${x}*", "${x}*"),
    ("a_variable_is_the_value_of_its_key", True, "StringLike", f"${{{SUB}}}b", "*b"),
    ("a_variable_holds_no_wildcard", False, "StringLike", f"${{{SUB}}}b", "ab"),
    ("a_default_stands_in_for_a_variable", True, "StringEquals", "${x, 'a'}", "a"),
    ("an_escaped_star_is_no_wildcard", False, "StringLike", "a${*}", "ab"),
    ("escapes_are_literal", True, "StringLike", "${*}${?}${$}", "*?$"),
]


def trust(condition: dict[str, Any], **statement: Any) -> dict[str, Any]:
    """Return a statement with a condition."""
    return {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    } | statement


def allowed(statements: list[dict[str, Any]], **claims: Any) -> bool:
    """Return the evaluator's verdict on statements for GitHub's token with the given claims."""
    policy = {"Version": "2012-10-17", "Statement": statements}
    return assume_allowed(policy, PROVIDER, {"iss": github.ISSUER} | claims)


@pytest.mark.parametrize(
    ("expected", "operator", "wanted", "given"),
    [pytest.param(*row, id=name) for name, *row in ON_ONE_KEY],
)
def test_an_operator_holds_as_documented(
    expected: bool, operator: str, wanted: Any, given: str | list[str] | None
) -> None:
    claims = {"sub": "*"} if given is None else {"sub": "*", "amr": given}
    assert allowed([trust({operator: {AMR: wanted}})], **claims) is expected


ON_A_STATEMENT = [
    ("keys_are_all_needed", False, [trust({"StringEquals": {SUB: "a", AUD: "x"}})]),
    (
        "operators_are_all_needed",
        False,
        [trust({"StringEquals": {SUB: "a"}, "StringLike": {AUD: "x*"}})],
    ),
    ("another_hosts_key_is_missing", False, [trust({"StringEquals": {"x:sub": "a"}})]),
    ("a_claim_that_is_no_key_is_missing", False, [trust({"StringEquals": {f"{HOST}:sha": "a"}})]),
    ("ref_is_a_key", True, [trust({"StringEquals": {REF: "a"}})]),
    ("the_name_of_a_key_knows_no_case", True, [trust({"StringEquals": {SUB.upper(): "a"}})]),
    ("no_statement_allows_nothing", False, []),
    ("a_deny_wins", False, [trust({}), trust({}, Effect="Deny")]),
    ("a_deny_that_does_not_apply", True, [trust({}), trust({"Null": {SUB: True}}, Effect="Deny")]),
    ("a_provider_is_named_in_full", False, [trust({}, Principal={"Federated": PROVIDER + "*"})]),
    ("another_kind_of_principal", False, [trust({}, Principal={"AWS": PROVIDER})]),
    ("one_of_several_providers", True, [trust({}, Principal={"Federated": ["x", PROVIDER]})]),
    ("everybody", True, [trust({}, Principal="*")]),
    ("another_action", False, [trust({}, Action=["sts:AssumeRole", "sts:TagSession"])]),
    ("an_action_knows_wildcards_and_no_case", True, [trust({}, Action="STS:Assume*")]),
]


@pytest.mark.parametrize(
    ("expected", "statements"), [pytest.param(*row, id=name) for name, *row in ON_A_STATEMENT]
)
def test_a_statement_applies_as_documented(
    expected: bool, statements: list[dict[str, Any]]
) -> None:
    assert allowed(statements, sub="a", aud="b", ref="a", sha="a") is expected


@pytest.mark.parametrize(
    "statement",
    [
        trust({"StringEqual": {SUB: "a"}}, Principal="x"),
        trust({"stringequals": {SUB: "a"}}),
        trust({"NullIfExists": {SUB: "true"}}),
        trust({"ForAllValues:Null": {SUB: "true"}}),
        trust({}, NotAction="x"),
        trust({}, Effect="allow"),
    ],
    ids=str,
)
def test_the_evaluator_does_not_guess(statement: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^the (condition operator|statement) is"):
        allowed([statement], sub="a")
    with pytest.raises(ValueError, match="Version is 2008-10-17"):
        assume_allowed({"Version": "2008-10-17", "Statement": []}, PROVIDER, {})


class Judges:
    """The two judges of a token, each with the roles as terraform apply left them."""

    def __init__(self, emulator: Emulator) -> None:
        iam = emulator.client("iam")
        self.roles = {key: iam.get_role(RoleName=f"{key}-push")["Role"] for key in ENTRIES}
        self.sts = http.client.HTTPConnection(emulator.host, timeout=30)

    def policy(self, role: str) -> dict[str, Any]:
        """Return a role's trust policy, as IAM gives it."""
        return self.roles[role]["AssumeRolePolicyDocument"]  # type: ignore[no-any-return]

    def documentation(self, case: Case) -> bool:
        """Say whether AWS documents that it gives the role."""
        return assume_allowed(self.policy(case.role), PROVIDER, case.claims)

    def ministack(self, case: Case) -> bool:
        """Say whether MiniStack gives the role.

        Raises:
            AssertionError: it neither gives nor refuses it.
        """
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": self.roles[case.role]["Arn"],
            "RoleSessionName": "matrix",
            "WebIdentityToken": jwt.encode(case.claims, github.signing_key(), algorithm="RS256"),
        }
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self.sts.request("POST", "/", urlencode(form), kind)
        answer = self.sts.getresponse()
        text = answer.read().decode()
        if answer.status == 200 and "<SecretAccessKey>" in text:
            return True
        refused = re.search("<Code>(AccessDenied|InvalidIdentityToken)</Code>", text)
        assert refused, f"neither given nor refused: {answer.status} {text} for {case}"
        return False


@pytest.fixture(scope="module")
def judges(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judges]:
    """One project with an entry for each kind of trust, applied once."""
    folder = tmp_path_factory.mktemp("trust")
    project = Project(shutil.copytree(bake().path, folder / "example-service"))
    values = project.tfvars
    (generated,) = values["repositories"].values()
    values["repositories"] = {
        key: generated
        | {"subject_prefix": WITH_IDS, "ecr_repository": key, "role_name": f"{key}-push"}
        | different
        for key, different in ENTRIES.items()
    }
    (project.path / "infra/terraform.tfvars.json").write_text(json.dumps(values))
    project.terraform("init", "-input=false")
    log = folder / "emulator.log"
    with emulated_aws("111122223333", "us-east-1", log, judge_tokens=False) as emulator:
        project.terraform("apply", "-auto-approve", "-input=false", emulator=emulator)
        both = Judges(emulator)
        with closing(both.sts):
            yield both


def must_agree(judges: Judges, tried: list[Case], ministack: bool | None = None) -> None:
    """Let both judges say what is meant.

    Args:
        judges: the two.
        tried: the cases.
        ministack: what this one is known to say whatever is meant.

    Raises:
        AssertionError: a judge says something else; the text has one line for each case.
    """
    assert tried
    found = []
    for case in tried:
        verdicts = judges.documentation(case), judges.ministack(case)
        expected = case.meant, case.meant if ministack is None else ministack
        if verdicts != expected:
            found.append(f"(documentation, MiniStack) say {verdicts}, not {expected}: {case}")
    assert not found, "\n".join(found)


def test_the_matrix_has_more_than_a_thousand_hostile_cases() -> None:
    assert sum(not case.meant for case in cases(GRANTS, FAMILIES)) >= 1000


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_role_is_given_to_whom_it_is_meant_for_and_to_nobody_else(
    judges: Judges, family: Family
) -> None:
    must_agree(judges, cases(GRANTS, [family]))


# Where MiniStack 1.5.33 differs from the documentation.


def test_ministack_lacks_the_condition_keys_ref_repository_id_and_repository_owner_id(
    judges: Judges,
) -> None:
    """It finds these three missing in every token, so a role that tests them is given to nobody."""
    tested = {
        grant.role: {
            key.removeprefix(f"{HOST}:")
            for keys in judges.policy(grant.role)["Statement"][0]["Condition"].values()
            for key in keys
        }
        for grant in GRANTS_WITH_MORE_CLAIMS
    }
    assert tested == {role: {"aud", "sub"} | claims for role, claims in TESTED.items()}
    must_agree(judges, cases(GRANTS_WITH_MORE_CLAIMS, FAMILIES), ministack=False)


def newlines_behind_the_stem(grant: Grant) -> Iterator[Attempt]:
    """Meant, because * stands for any characters; Git knows no such tag."""
    if grant.rest:
        for rest in ["1\n2", "\n\n", "1\r\n2", "1\nrepo:evil@1/evil@2:ref:refs/heads/main"]:
            yield True, {"sub": grant.stem + rest}


def test_a_wildcard_of_ministacks_string_like_stops_at_a_newline(judges: Judges) -> None:
    """Its regular expression is compiled without re.DOTALL."""
    must_agree(judges, cases(GRANTS, [newlines_behind_the_stem]), ministack=False)


def a_newline_at_the_end(grant: Grant) -> Iterator[Attempt]:
    if grant.role in STRING_LIKE and not grant.rest:
        yield False, {"sub": grant.subject + "\n"}


def test_ministacks_string_like_overlooks_a_newline_at_the_end(judges: Judges) -> None:
    """Its regular expression ends in `$`, which also matches before a last newline."""
    must_agree(judges, cases(GRANTS, [a_newline_at_the_end]), ministack=True)


def issuers_of_another_form(_: Grant) -> Iterator[Attempt]:
    return hostile("iss", [f"http://{HOST}", f"x://{HOST}", HOST, f" {OWN}", f"{OWN}/", f"{OWN}//"])


def test_ministack_reads_an_issuer_without_its_scheme_and_its_last_slash(judges: Judges) -> None:
    """STS takes only https, and the provider's URL to the letter."""
    must_agree(judges, cases(GRANTS, [issuers_of_another_form]), ministack=True)


def lists_of_one(grant: Grant) -> Iterator[Attempt]:
    yield True, {"aud": [github.AUDIENCE]}
    yield True, {"sub": [grant.subject]}


def test_ministack_compares_the_python_text_of_a_list(judges: Judges) -> None:
    """A list of one is one value, but it compares "['sts.amazonaws.com']"."""
    must_agree(judges, cases(GRANTS, [lists_of_one]), ministack=False)


# The matrix is seen to fail: weaker conditions, and a family that catches each.

OUR_AUD = {"StringEquals": {AUD: github.AUDIENCE}}
TAGS = {SUB: f"{WITH_IDS}:ref:refs/tags/v*"}
BRANCH = f"{WITH_IDS}:{MAIN}"
WEAKER: list[tuple[str, str, Family, dict[str, Any]]] = [
    ("without_sub", "tags", other_contexts, OUR_AUD),
    ("without_aud", "tags", other_audiences, {"StringLike": TAGS}),
    (
        "without_ref",
        "environment",
        disagreeing_claims,
        OUR_AUD | {"StringLike": {SUB: f"{WITH_IDS}:environment:production"}},
    ),
    ("without_ids", "ids", disagreeing_claims, OUR_AUD | {"StringLike": TAGS}),
    (
        "name_open",
        "tags",
        look_alike_repositories,
        OUR_AUD | {"StringLike": {SUB: "repo:octo-org@123456/example-service*"}},
    ),
    (
        "owner_open",
        "tags",
        look_alike_owners,
        OUR_AUD | {"StringLike": {SUB: "repo:*/example-service@456789:ref:refs/tags/v*"}},
    ),
    (
        "ids_open",
        "tags",
        other_ids,
        OUR_AUD | {"StringLike": {SUB: "repo:octo-org@*/example-service@*:ref:refs/tags/v*"}},
    ),
    ("context_open", "tags", other_contexts, OUR_AUD | {"StringLike": {SUB: f"{WITH_IDS}:*"}}),
    (
        "any_tag",
        "tags",
        other_contexts,
        OUR_AUD | {"StringLike": {SUB: f"{WITH_IDS}:ref:refs/tags/*"}},
    ),
    ("start_open", "branch", two_subjects_in_one, OUR_AUD | {"StringLike": {SUB: f"*{BRANCH}"}}),
    ("end_open", "branch", text_behind, OUR_AUD | {"StringLike": {SUB: f"{BRANCH}*"}}),
    (
        "colons_open",
        "branch",
        other_spellings,
        OUR_AUD | {"StringLike": {SUB: BRANCH.replace(":", "*")}},
    ),
    (
        "any_character_inside",
        "branch",
        blanks_and_control_characters,
        OUR_AUD | {"StringLike": {SUB: f"{BRANCH[:-1]}?n"}},
    ),
    (
        "any_case",
        "branch",
        a_character_of_the_other_case,
        OUR_AUD | {"StringEqualsIgnoreCase": {SUB: BRANCH}},
    ),
    ("for_all_values_of_sub", "tags", missing_claims, OUR_AUD | {"ForAllValues:StringLike": TAGS}),
    ("empty_sub", "tags", little_or_much, OUR_AUD | {"ForAllValues:StringLike": TAGS}),
    ("sub_if_exists", "tags", missing_claims, OUR_AUD | {"StringLikeIfExists": TAGS}),
    ("any_value_of_sub", "tags", several_subjects, OUR_AUD | {"ForAnyValue:StringLike": TAGS}),
    (
        "aud_if_exists",
        "tags",
        missing_claims,
        {"StringEqualsIfExists": {AUD: github.AUDIENCE}, "StringLike": TAGS},
    ),
    (
        "any_value_of_aud",
        "tags",
        several_audiences,
        {"ForAnyValue:StringEquals": {AUD: github.AUDIENCE}, "StringLike": TAGS},
    ),
]


def passes(policy: dict[str, Any], condition: dict[str, Any], case: Case) -> bool:
    """Say whether a token passes a policy whose only statement has another condition."""
    (statement,) = policy["Statement"]
    weaker = policy | {"Statement": [statement | {"Condition": condition}]}
    return assume_allowed(weaker, PROVIDER, case.claims)


@pytest.mark.parametrize(
    ("role", "family", "condition"), [pytest.param(*row, id=name) for name, *row in WEAKER]
)
def test_a_weaker_trust_policy_is_caught(
    judges: Judges, role: str, family: Family, condition: dict[str, Any]
) -> None:
    tried = [
        case
        for case in cases(GRANTS + GRANTS_WITH_MORE_CLAIMS, [family])
        if case.role == role and not case.meant
    ]
    assert not any(judges.documentation(case) for case in tried)
    assert any(passes(judges.policy(role), condition, case) for case in tried)


def test_each_hostile_family_is_refused_by_a_condition(judges: Judges) -> None:
    """Without conditions something of each passes; another issuer is refused before them."""
    hostile_cases = [case for case in cases(GRANTS, FAMILIES) if not case.meant]
    passed = {case.family for case in hostile_cases if passes(judges.policy(case.role), {}, case)}
    assert passed == {case.family for case in hostile_cases} - {"other_issuers"}
