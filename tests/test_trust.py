"""The attack matrix: who gets the roles of a project, tried with more than a thousand tokens.

Each case says by its construction whether the role is meant for it. Two judges must say the same:
MiniStack's STS, which holds the applied trust policy, and tests/iam.py, which reads it back and
follows AWS's documentation. Where MiniStack 1.5.33 differs from the documentation a test of its own
names the difference, and the documentation decides.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import jwt
import pytest

from tests import github
from tests.conftest import Bake
from tests.emulator import Emulator, emulated_aws
from tests.iam import assume_allowed
from tests.project import Project

HOST = github.ISSUER.removeprefix("https://")
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST}"
AUD, SUB, REF, AMR = f"{HOST}:aud", f"{HOST}:sub", f"{HOST}:ref", f"{HOST}:amr"

Claims = dict[str, Any]  # None: the token does not have the claim


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


# The matrix.

CLASSIC = "repo:octo-org/example-service"
WITH_IDS = "repo:octo-org@123456/example-service@456789"
ENTRIES: dict[str, dict[str, Any]] = {  # what an entry of `repositories` has beside the generated
    "tags": {},
    "branch": {"refs": ["refs/heads/main"]},
    "both": {"refs": ["refs/tags/v*", "refs/heads/main"]},
    "classic": {"subject_prefix": CLASSIC},
    "colon": {"environment": "prod:eu", "test_ref": False},
    "environment": {"environment": "production"},
    "ids": {"test_ids": True},
}


class Grant(NamedTuple):
    """A subject that a role is meant for: the prefix, the context and what may follow it."""

    role: str
    prefix: str
    context: str
    rest: str = ""  # not empty: the policy has * here, and this is what a release would have

    @property
    def stem(self) -> str:
        """What a subject of this grant begins with, or is."""
        return f"{self.prefix}:{self.context}"

    @property
    def subject(self) -> str:
        """A subject that is meant."""
        return self.stem + self.rest


TAG = ("ref:refs/tags/v", "1.2.0")
MAIN = "ref:refs/heads/main"
GRANTS = [
    Grant("tags", WITH_IDS, *TAG),
    Grant("branch", WITH_IDS, MAIN),
    Grant("both", WITH_IDS, *TAG),
    Grant("both", WITH_IDS, MAIN),
    Grant("classic", CLASSIC, *TAG),
    Grant("colon", WITH_IDS, "environment:prod%3Aeu"),
]
GRANTS_WITH_MORE_CLAIMS = [
    Grant("environment", WITH_IDS, "environment:production"),
    Grant("ids", WITH_IDS, *TAG),
]
STRING_LIKE = {"tags", "both", "classic", "ids"}  # roles with a subject that ends in *

# Is it meant, and which claims differ from those of the grant's own job? All others are right, so
# that what differs has to carry the refusal.
Attempt = tuple[bool, Claims]
Family = Callable[[Grant], Iterator[Attempt]]


def hostile(claim: str, values: Iterable[str | list[str]]) -> Iterator[Attempt]:
    """Try values of one claim that no role is meant for."""
    return ((False, {claim: value}) for value in values)


def own_subjects(grant: Grant) -> Iterator[Attempt]:
    """What the role is for. A trailing * stands for any characters, though Git allows fewer."""
    yield True, {}
    if grant.rest:
        for rest in ["", "0.1.0-rc.1+build.5", "1/2", "endor", "1" * 200, "*", "?", "1 \t\0", "\n"]:
            yield True, {"sub": grant.stem + rest}


OWNERS = """
    octo-0rg 0cto-org octo_org octo.org octoorg octo--org octo-orgs octo-org-2 octo-org2 my-octo-org
    octo org octo-org. -octo-org evil octo-org/octo-org x/octo-org octo-org%2F octo-org@1 octo-org@
    octo-\u043erg \u043ecto-org octo-or\u0261 octo\u2010org octo\u2212org octo-org\u200b
""".split()
REPOSITORIES = """
    example-service-2 example-services example-service-staging my-example-service example_service
    example.service exampleservice examp1e-service service example-service.git example-service/
    example-service/x example-serv evil . .. example-service/../evil evil/../example-service
    ./example-service ex\u0430mple-service \u0435xample-service example\u2011service
""".split()


def look_alike_owners(grant: Grant) -> Iterator[Attempt]:
    return hostile("sub", (grant.subject.replace("octo-org", name) for name in ["", *OWNERS]))


def look_alike_repositories(grant: Grant) -> Iterator[Attempt]:
    names = ["", *REPOSITORIES]
    return hostile("sub", (grant.subject.replace("example-service", name) for name in names))


OWNER_IDS = "123456 1 0123456 1234567 12345 +123456 123456.0 456789 *".split()
REPOSITORY_IDS = "456789 1 0456789 4567890 45678 -456789 0x6f855 123456 *".split()
PREFIXES = {f"repo:octo-org@{o}/example-service@{r}" for o in OWNER_IDS for r in REPOSITORY_IDS}
PREFIXES |= {
    CLASSIC,
    "repo:octo-org@123456/example-service",
    "repo:octo-org/example-service@456789",
    "repo:octo-org/example-service@123456",
    "repo:octo-org@/example-service@",
    "repo:octo-org/example-service@123456@456789",
    "repo:octo-org@123456@456789/example-service",
    "repo:octo-org@123456@123456/example-service@456789@456789",
    "repo:octo-org/example-service:123456:456789",
    "repo:octo-org#123456/example-service#456789",
    "repo:octo-org@\u0661\u0662\u0663\u0664\u0665\u0666/example-service@456789",
    "repo:123456/456789",
    "repo:@123456/@456789",
}


def other_ids(grant: Grant) -> Iterator[Attempt]:
    """Other, swapped and missing ids; the classic form for the immutable one, and the reverse."""
    prefixes = sorted(PREFIXES - {grant.prefix})
    return hostile("sub", (f"{prefix}:{grant.context}{grant.rest}" for prefix in prefixes))


MEANT_CONTEXTS = {  # with the roles that are meant for them
    "ref:refs/tags/v1.2.0": {"tags", "both", "classic", "ids"},
    "ref:refs/heads/main": {"branch", "both"},
    "environment:prod%3Aeu": {"colon"},
    "environment:production": {"environment", "an environment alone"},
}
HOSTILE_CONTEXTS = """
    ref:refs/heads/v1 ref:refs/heads/v1.2.0 ref:refs/heads/refs/tags/v1 ref:refs/heads/tags/v1
    ref:refs/tags/main ref:refs/tags/refs/heads/main ref:refs/tags/heads/main ref:refs/tags/
    ref:refs/tags/release-v1 ref:refs/tags/1.2.0 ref:refs/tags/V1.2.0 ref:refs/tags//v1 ref:refs
    ref:refs/tags ref:refs/heads/main2 ref:refs/heads/main/x ref:refs/heads/mai ref:refs/heads/x
    ref:refs/heads/feature/main ref:refs/heads/Main ref:refs/heads/master ref:refs/heads/
    ref:refs/heads/refs/heads/main ref:refs/heads/m\u0430in ref:refs/remotes/origin/main
    ref:refs/pull/1/merge ref:refs/pull/1/head ref:refs/pull/v1/merge ref:refs/tag/v1 ref:tags/v1
    ref:refs/notes/v1 ref:refs/replace/v1 ref:v1 ref:main ref:heads/main ref: ref
    pull_request pull_request:ref:refs/heads/main pull_request:ref:refs/tags/v1
    environment:prod environment:prod%3A environment:prod%3Ae environment:prod%3Aeu2 environment:
    environment:prod:eu environment:prod%3aeu environment:prod%253Aeu environment:prod%3A%3Aeu
    environment:PROD%3AEU environment:Prod%3Aeu environment:prod-eu environment:prod%3Aeu%20
    environment:prod%3Aeu:ref:refs/tags/v1 environment:prod%3Aeu/../x environment:Production
    environment:production2 environment:preproduction environment:product environment:*
    environment:production:ref:refs/tags/v1 environment:ref%3Arefs/tags/v1 environment
    environment:ref%3Arefs/heads/main ref:environment:prod%3Aeu workflow:deploy ref_type:tag
    job_workflow_ref:octo-org/example-service/.github/workflows/deploy.yml@refs/tags/v1
    repository_owner:octo-org event_name:release actor:octocat enterprise:octo
""".split()


def other_contexts(grant: Grant) -> Iterator[Attempt]:
    """Other refs, pull requests and other environments of the very same repository."""
    for context, roles in MEANT_CONTEXTS.items():
        yield grant.role in roles, {"sub": f"{grant.prefix}:{context}"}
    yield from hostile("sub", (f"{grant.prefix}:{context}" for context in HOSTILE_CONTEXTS))


def cut_short(grant: Grant) -> Iterator[Attempt]:
    return hostile("sub", (grant.stem[:end] for end in range(len(grant.stem))))


def with_each_character(grant: Grant, change: Callable[[str], str]) -> Iterator[str]:
    """Return the subject once for each character of its stem, with this one changed."""
    for at, character in enumerate(grant.stem):
        if change(character) != character:
            yield grant.stem[:at] + change(character) + grant.stem[at + 1 :] + grant.rest


def a_character_missing(grant: Grant) -> Iterator[Attempt]:
    return hostile("sub", with_each_character(grant, lambda _: ""))


def a_character_of_the_other_case(grant: Grant) -> Iterator[Attempt]:
    return hostile("sub", with_each_character(grant, str.swapcase))


def a_character_as_a_wildcard(grant: Grant) -> Iterator[Attempt]:
    yield from hostile("sub", with_each_character(grant, lambda _: "*"))
    yield from hostile("sub", with_each_character(grant, lambda _: "?"))


def another_case(grant: Grant) -> Iterator[Attempt]:
    sub = grant.subject
    yield from hostile("sub", [sub.upper(), sub.title(), sub.swapcase(), sub.capitalize()])
    yield from hostile("sub", (sub.replace("octo-org", name) for name in ["Octo-Org", "OCTO-ORG"]))
    yield False, {"sub": sub.replace("example-service", "Example-Service")}


def text_before(grant: Grant) -> Iterator[Attempt]:
    texts = ': / x - repo: repo:evil/ repo:evil/x: * ? %00 " ${*} \\'.split()
    return hostile("sub", (text + grant.subject for text in texts))


def text_behind(grant: Grant) -> Iterator[Attempt]:
    for text in ': / x -2 @1 :ref:refs/heads/x * ? %00 " ${*} \\'.split():
        yield bool(grant.rest), {"sub": grant.subject + text}


BLANKS = " |\t|\n|\r|\r\n|\v|\f|\0|\x1b|\x7f|\x85|\xa0|\xad".split("|")
BLANKS += "\u200b|\u200d|\u2028|\u2029|\u202e|\u3000|\ufeff".split("|")


def blanks_and_control_characters(grant: Grant) -> Iterator[Attempt]:
    for blank in BLANKS:
        yield False, {"sub": blank + grant.subject}
        yield False, {"sub": grant.stem[:-1] + blank + grant.stem[-1] + grant.rest}
        for mark in [":", "/"]:
            yield False, {"sub": grant.subject.replace(mark, mark + blank, 1)}
            yield False, {"sub": grant.subject.replace(mark, blank + mark, 1)}
        if blank != "\n" or grant.rest or grant.role not in STRING_LIKE:  # that has its own test
            yield bool(grant.rest), {"sub": grant.subject + blank}


def two_subjects_in_one(grant: Grant) -> Iterator[Attempt]:
    other = "repo:evil@1/evil@2:ref:refs/heads/evil"
    for between in ["\n", "\r\n", "\r", "\0", "\u2028", ",", ";", " ", "\t", '","', "&sub="]:
        yield False, {"sub": other + between + grant.subject}
        yield False, {"sub": other + between + grant.subject + between + other}
        if "\n" not in between or not grant.rest:  # those have their own test
            yield bool(grant.rest), {"sub": grant.subject + between + other}


ALIKE = {"a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "o": "\u043e"}
ALIKE |= {"p": "\u0440", "s": "\u0455", "v": "\u03bd", "x": "\u0445"}


def other_spellings(grant: Grant) -> Iterator[Attempt]:
    """Percent-encoding once and twice, HTML's escapes, and characters that only look the same."""
    for mark in sorted({*":/@-"} & {*grant.stem}):
        code, wide = f"{ord(mark):02X}", chr(ord(mark) + 0xFEE0)
        for spelled in [f"%{code}", f"%{code.lower()}", f"%25{code}", f"&#x{code};", wide]:
            yield False, {"sub": grant.stem.replace(mark, spelled) + grant.rest}
            yield False, {"sub": grant.stem.replace(mark, spelled, 1) + grant.rest}
    for latin, other in ALIKE.items():
        if latin in grant.stem:
            yield False, {"sub": grant.stem.replace(latin, other, 1) + grant.rest}
    yield False, {"sub": grant.subject.replace("e", "e\u0301", 1)}
    yield False, {"sub": quote(grant.subject, safe="")}
    yield False, {"sub": "".join(f"%{byte:02X}" for byte in grant.subject.encode())}
    yield False, {"sub": json.dumps(grant.subject)}


PATTERNS = """
    * ** ? % ${*} .* ^.*$ [!x]* repo:* repo:*/* repo:*/*:* repo:octo-org* repo:octo-org/*
    repo:octo-org@123456/* repo:octo-org@*/example-service@*:* repo:octo-org@123456/example-service*
""".split()


def patterns_as_subjects(grant: Grant) -> Iterator[Attempt]:
    yield from hostile("sub", PATTERNS)
    for end in ["*", ":*", ":?", ":ref:*", ":ref:refs/*", ":ref:refs/tags/*", ":environment:*"]:
        yield False, {"sub": grant.prefix + end}
    yield False, {"sub": "?" * len(grant.subject)}
    yield False, {"sub": f"${{{SUB}}}"}
    yield False, {"sub": grant.subject.replace("octo-org", "[a-z]cto-org")}


def little_or_much(grant: Grant) -> Iterator[Attempt]:
    yield from hostile("sub", ["", " ", "null", "None", "undefined", "[]", "{}", "a" * 10_000])
    yield from hostile("sub", [grant.prefix * 200, "a" * 10_000 + grant.subject])
    yield bool(grant.rest), {"sub": grant.subject + "a" * 10_000}


def missing_claims(grant: Grant) -> Iterator[Attempt]:
    for names in [["sub"], ["aud"], ["sub", "aud"], ["iss"], ["iss", "sub", "aud"]]:
        yield False, dict.fromkeys(names)
    yield False, {"sub": None, "subject": grant.subject}
    yield False, {"aud": None, "azp": github.AUDIENCE}


def several_subjects(grant: Grant) -> Iterator[Attempt]:
    other = "repo:evil/evil:ref:refs/heads/main"
    return hostile("sub", [[], [other], [grant.subject, other], [other, grant.subject]])


AUDIENCES = """
    https://github.com/octo-org sts.amazonaws.com.cn STS.AMAZONAWS.COM Sts.amazonaws.com * ? sts.*
    https://sts.amazonaws.com sts.amazonaws.com/ sts.us-east-1.amazonaws.com sts.amazonaws.co
    sts.amazonaws.com.evil.example sts?amazonaws?com sts.amazonaws.com,x [sts.amazonaws.com]
    \u0455ts.amazonaws.com xsts.amazonaws.com sts%2Eamazonaws.com sts.amazonaws.eu
    sts.amazonaws.com. api://AzureADTokenExchange sigstore
""".split()


def other_audiences(grant: Grant) -> Iterator[Attempt]:
    yield from hostile("aud", [*AUDIENCES, "", grant.subject])
    for blank in [" ", "\t", "\n", "\0"]:
        yield from hostile("aud", [github.AUDIENCE + blank, blank + github.AUDIENCE])


def several_audiences(_: Grant) -> Iterator[Attempt]:
    own = github.AUDIENCE
    for other in ["https://github.com/octo-org", "sts.amazonaws.com.cn", "", "*"]:
        yield from hostile("aud", [[], [other], [own, other], [other, own], [own, other, own]])


OWN = github.ISSUER
ISSUERS = f"""
    {OWN}/octo-enterprise {OWN}:443 {OWN}.evil.example {OWN}?x {OWN}#x {OWN}/x/.. {OWN}%2F {OWN}///x
    https://x.{HOST} https://x@{HOST} https://x/{HOST} https://{HOST.title()} https:// *
    https://gitlab.com https://token.actions.octo.ghe.com https://accounts.google.com
    https://ghes.example/_services/token https://token-actions.githubusercontent.com
    https://githubusercontent.com https://token.actions.githubusercontent.co
    https://t\u043eken.actions.githubusercontent.com
""".split()


def other_issuers(_: Grant) -> Iterator[Attempt]:
    return hostile("iss", [*ISSUERS, "", f"{OWN} ", f"{OWN}\n", OWN.upper()])


OTHER_CLAIMS: dict[str, list[str | list[str] | None]] = {
    "ref": [
        *("refs/heads/main", "refs/heads/v1", "refs/heads/refs/tags/v1", "refs/pull/1/merge"),
        *("refs/tags/", "refs/tags/x-v1", "Refs/tags/v1", " refs/tags/v1", "v1", "*", "", None),
        ["refs/tags/v1", "refs/heads/x"],
    ],
    "repository_id": ["456780", "123456", "0456789", "456789 ", "*", "", ["456789", "1"], None],
    "repository_owner_id": ["1", "456789", "0123456", "123456\n", "*", "", ["123456", "1"], None],
}
TESTED = {"environment": {"ref"}, "ids": {"repository_id", "repository_owner_id"}}


def disagreeing_claims(grant: Grant) -> Iterator[Attempt]:
    """Beside the right subject; only a role that tests the claim may mind."""
    for claim, values in OTHER_CLAIMS.items():
        for value in values:
            yield claim not in TESTED.get(grant.role, set()), {claim: value}


FAMILIES: list[Family] = [
    own_subjects,
    look_alike_owners,
    look_alike_repositories,
    other_ids,
    other_contexts,
    cut_short,
    a_character_missing,
    a_character_of_the_other_case,
    a_character_as_a_wildcard,
    another_case,
    text_before,
    text_behind,
    blanks_and_control_characters,
    two_subjects_in_one,
    other_spellings,
    patterns_as_subjects,
    little_or_much,
    missing_claims,
    several_subjects,
    other_audiences,
    several_audiences,
    other_issuers,
    disagreeing_claims,
]


class Case(NamedTuple):
    """A token for a role, and whether the role is meant for it."""

    family: str
    role: str
    meant: bool
    claims: Claims


def claims_of(grant: Grant, different: Claims) -> Claims:
    """Return the claims of the grant's own job, with some of them different or left out."""
    own: Claims = {
        "iss": github.ISSUER,
        "aud": github.AUDIENCE,
        "sub": grant.subject,
        "ref": "refs/heads/main" if grant.context == MAIN else "refs/tags/v1.2.0",
        "repository": "octo-org/example-service",
        "repository_id": "456789",
        "repository_owner_id": "123456",
    }
    return {claim: value for claim, value in (own | different).items() if value is not None}


def cases(grants: list[Grant], families: list[Family]) -> list[Case]:
    """Return the cases of some families, each once; none may be meant here and hostile there."""
    found: dict[tuple[str, str], Case] = {}
    for family in families:
        for grant in grants:
            for meant, different in family(grant):
                case = Case(family.__name__, grant.role, meant, claims_of(grant, different))
                known = found.setdefault((case.role, json.dumps(case.claims)), case)
                assert known.meant == meant, f"{known} and {case} contradict each other"
    return list(found.values())


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
