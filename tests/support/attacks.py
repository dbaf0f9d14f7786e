"""The attack matrix: tokens for roles. For each token it is known whether the role must accept it.

A grant is a subject that a role is meant for. A family tries one kind of change of a grant. `cases`
turns families and grants into tokens, each once. Two judges must decide as expected for each token:
in tests/infra/test_trust.py, and for each combination of answers in tests/template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.standins import github

HOST = github.ISSUER.removeprefix("https://")
SUB = f"{HOST}:sub"

Claims = dict[str, Any]  # None: the token does not have the claim

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
    """Return the cases of some families, each once; no case may be both meant and hostile."""
    found: dict[tuple[str, str], Case] = {}
    for family in families:
        for grant in grants:
            for meant, different in family(grant):
                case = Case(family.__name__, grant.role, meant, claims_of(grant, different))
                known = found.setdefault((case.role, json.dumps(case.claims)), case)
                assert known.meant == meant, f"{known} and {case} contradict each other"
    return list(found.values())
