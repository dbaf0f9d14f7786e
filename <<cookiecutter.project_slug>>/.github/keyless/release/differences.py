"""Why a role is refused: how what GitHub presents differs from what infra/ trusts.

Everything is compared here; release/diagnose.py asks GitHub and STS.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from keyless import paths
from keyless.console import Problem
from keyless.model.refs import value_matches
from keyless.release.job_environment import (
    apply_commands,
    asked_credentials,
    bootstrap_command,
    infra_place,
    publish_command,
    rerun_command,
    values_file,
    values_path,
)

GIVEN = "the job can assume the role"  # stands for the answer of STS if it does not refuse

Entry = dict[str, Any]  # what model.entry_errors.subjects_by_entry says of one entry
Claims = dict[str, Any]  # of a token, each text in one line; empty where there is no token


def explain_difference(entry: Entry, claims: Claims, answer: str) -> Problem:
    """Return why the role was refused, and what to type.

    Args:
        entry: what infra/ leads to.
        claims: what GitHub presents.
        answer: what STS says of it, or GIVEN.
    """
    if not claims:
        if os.environ.get("GITHUB_ACTOR") == "dependabot[bot]":
            return started_by_dependabot()
        message = "The job has no permission to ask GitHub for a token, so AWS cannot identify it."
        return edit_workflow(message, "permissions: {contents: read, id-token: write}")
    wrong = asked_wrongly(entry, answer)
    if wrong:
        return wrong
    if answer == GIVEN:
        return Problem(
            "The job can assume the role now. The role was probably created or changed a moment"
            " ago, so run the job again. If that does not help, deploy.yml has another region or"
            " account than infra/. make check shows where.",
            rerun_command(),
            "make check",
        )
    if entry["subject_prefix"] is None:
        name = claims.get("repository", "")
        name = "" if name == entry["github_repository"] else name
        return ask_again(
            "The role trusts no subject yet, because nobody has asked GitHub for it.", name
        )
    if entry["errors"]:
        message = f"Terraform refuses what {values_path()} says: {entry['errors'][0]}."
        return Problem(message, "make check")
    return (
        provider_missing(entry, claims, answer)
        or subject_differs(entry, claims)
        or claim_differs(entry, claims)
        or nothing_differs(entry, answer)
    )


def started_by_dependabot() -> Problem:
    """Return why a run that Dependabot has started gets no token, also when it is run again.

    [GitHub docs, "Troubleshooting Dependabot on GitHub Actions"]
    """
    ref = os.environ.get("GITHUB_REF_NAME", "REF")
    return Problem(
        "Dependabot started this run. GitHub gives such a run no OIDC token, even if somebody runs"
        " it again. Start a new run yourself:",
        f"gh workflow run deploy.yml --ref {ref}",
    )


def asked_wrongly(entry: Entry, answer: str) -> Problem | None:
    """Return what of the job's request AWS cannot accept, whatever the role trusts."""
    asked = asked_credentials()
    role, wanted = asked.get("role-to-assume", ""), entry["role_arn"]
    if not wanted.endswith(role):  # the name alone is enough
        message = f"The job asks for the role {role}, but infra/ has {wanted}."
        return edit_workflow(message, f"role-to-assume: {wanted}")
    if re.search("roleSessionName|RoleSessionName", answer):
        message = f"AWS refuses the session name {asked.get('role-session-name')!r}."
        message += " A session name has 2 to 64 letters, digits and any of +=,.@_-."
        line = "role-session-name: run-${{ github.run_id }}-${{ github.run_attempt }}"
        return edit_workflow(message, line)
    if re.search("[dD]urationSeconds|MaxSessionDuration", answer):
        message = f"The role allows no session of {asked.get('role-duration-seconds')} seconds:"
        return edit_workflow(f"{message} {answer}.", "role-duration-seconds: 3600")
    return None


def provider_missing(entry: Entry, claims: Claims, answer: str) -> Problem | None:
    """Return what is wrong with the account's OIDC identity provider, which STS looks for first."""
    wanted, issuer = entry["issuer"], str(claims.get("iss", entry["issuer"]))
    if issuer != wanted:
        message = f"The token comes from {issuer}, but infra/ trusts {wanted}. An enterprise"
        message += f' can have an issuer of its own. Then write "oidc_issuer": "{issuer}" in'
        return Problem(f"{message} {edited_values()}.", *apply_commands())
    if "token audience" in answer:
        message = "The account's OIDC identity provider does not know the audience of the token."
        return Problem(f"{message} Add the audience to the provider's client IDs.", "make doctor")
    if "No OpenIDConnect provider" not in answer:
        return None
    account = entry["role_arn"].split(":")[4]
    message = f"The account {account} has no OIDC identity provider for GitHub. "
    if json.loads(values_file().read_text(encoding="utf-8")).get("create_oidc_provider", True):
        message += "make bootstrap was not run there, or did not finish."
    else:
        message += f'Write "create_oidc_provider": true in {edited_values()}, and apply the change.'
    return Problem(message, *apply_commands())


def subject_differs(entry: Entry, claims: Claims) -> Problem | None:
    """Compare the subject's two parts with the entry: the repository, then the context."""
    name, prefix = claims.get("repository", "?"), entry["subject_prefix"]
    found = re.fullmatch(r"(repo:[^:]+):(environment:[^:]+|pull_request|ref:(.+))", claims["sub"])
    if not found or found[3] not in (None, claims.get("ref")):
        message = (
            "The organisation or the repository has customised the subject, so the role cannot"
        )
        message += " trust it. This command shows the customisation:"
        return Problem(message, f"gh api repos/{name}/actions/oidc/customization/sub")
    if found[1] == prefix:
        return context_differs(entry, found[2])
    return repository_differs(name, prefix, found[1])


def repository_differs(name: str, trusted: str, presented: str) -> Problem:
    """Compare the prefixes of two subjects, which differ in their names or in their numeric ids.

    Args:
        name: the repository of the token.
        trusted: the prefix that the role trusts, for example repo:OWNER@ID/NAME@ID.
        presented: the prefix of the token's subject.
    """
    own, other = (re.sub("@[0-9]+", "", text) for text in (trusted, presented))
    own_ids, other_ids = (re.findall("@([0-9]+)", text) for text in (trusted, presented))
    same_id = own_ids[1:] == other_ids[1:]  # a renamed or transferred repository keeps its id
    if own == other and not other_ids:
        return ask_again("The role trusts a subject with numeric ids, but GitHub presents none.")
    if own == other and not own_ids:
        return ask_again("GitHub presents a subject with numeric ids, but the role trusts none.")
    if own == other:
        what = "it belongs to a new owner" if same_id else "it was deleted and created again"
        message = f"The repository has the same name, but other numeric ids: {what}."
        return ask_again(message, "" if same_id else name)
    if own.lower() == other.lower():
        return ask_again("The name differs in upper and lower case, and AWS distinguishes them.")
    own_name = own.removeprefix("repo:")
    if not own_ids:  # nobody can tell
        message = (
            f"This is {name}, but the role trusts {own_name}. Type this only if the repository"
        )
        message += " was renamed or transferred. A fork or a copy must not get the role."
        return ask_again(message, name)
    if same_id:
        message = (
            f"The repository was renamed or transferred: it is {name} now, but the role trusts"
        )
        return ask_again(f"{message} {own_name}.")
    other_id = other_ids[1] if other_ids else "unknown"
    return Problem(
        f"This is {name} (id {other_id}), but the role trusts {own_name} (id {own_ids[1]}). A fork"
        f" or a copy is another repository and does not get the role. Publish from {own_name}, or"
        " generate this project again with its own answers.",
        f"gh repo view {own_name}",
    )


def context_differs(entry: Entry, context: str) -> Problem | None:
    """Compare what a subject holds behind its prefix with what the role trusts there."""
    subjects = [subject[len(entry["subject_prefix"]) + 1 :] for subject in entry["subjects"]]
    if any(value_matches(context, wanted) for wanted in subjects):
        return None
    kind, _, value = context.partition(":")
    wanted = " or ".join(subjects)
    if kind == "environment":
        name = json.dumps(value.replace("%3A", ":"), ensure_ascii=False)
        return Problem(
            f"The job runs in the environment {name}, but the role trusts {wanted}. Either write"
            f' "environment": {name} in {edited_values()} and apply the change, or remove'
            " environment: from deploy.yml and publish a new version.",
            *apply_commands(),
        )
    if wanted.startswith("environment:"):
        name = wanted.partition(":")[2].replace("%3A", ":")
        message = f"The role trusts {wanted}, but the job runs in no environment."
        return edit_workflow(message, f"environment: {json.dumps(name, ensure_ascii=False)}")
    message = f"The role trusts {wanted}, but this run is for {value or context}."
    if any(value_matches(context.lower(), one.lower()) for one in subjects):
        message += " Upper and lower case must match."
    return Problem(message, publish_refs(subjects))


def claim_differs(entry: Entry, claims: Claims) -> Problem | None:
    """Compare the claims that are tested beside the subject."""
    for tests in entry["conditions"].values():
        for key, wanted in tests.items():
            claim = key.rpartition(":")[2]
            value = claims.get(claim, "missing")
            if claim != "sub" and not any(value_matches(value, one) for one in wanted):
                expected = " or ".join(wanted)
                message = f"The role expects the claim {claim} to be {expected}. It is {value}."
                if claim == "job_workflow_ref":
                    reference = re.sub("@refs/(heads|tags)/", "@", wanted[0])
                    return edit_workflow(message, f"uses: {reference}")
                return Problem(message, publish_refs(wanted) if claim == "ref" else "make check")
    return None


def nothing_differs(entry: Entry, answer: str) -> Problem:
    """Say what is left where GitHub presents what infra/ trusts."""
    if "Expired" in answer:
        message = "The token had expired when AWS read it. Something was slow, or a clock is wrong."
        return Problem(message, rerun_command())
    if "AccessDenied" not in answer:
        return Problem(f"STS could not check the token: {answer}", rerun_command())
    return Problem(
        "GitHub presents what infra/ trusts, so the role in AWS is missing or older. make bootstrap"
        " was never run, was not run since infra/ changed, or was run in another account than that"
        f" of {entry['role_arn']}.",
        *apply_commands(),
    )


def publish_refs(refs: list[str]) -> str:
    """Return what starts a run for the first of the refs that the role trusts."""
    ref = re.sub("^(ref:)?refs/(tags|heads)/", "", refs[0])
    return f"gh workflow run deploy.yml --ref {re.sub('[*]$', 'TAG', ref)}"


def ask_again(message: str, name: str = "") -> Problem:
    """Return a problem that is mended by asking GitHub; a name says that this one is meant."""
    return Problem(message, bootstrap_command(f"--repository {name}" * bool(name)), rerun_command())


def edit_workflow(message: str, line: str) -> Problem:
    """Return a problem that is mended in deploy.yml: a re-run has the old one."""
    message += f" Write this in the job in deploy.yml, commit it, and publish a new version: {line}"
    return Problem(message, publish_command("main"))


def edited_values() -> str:
    """Return the file in which what is trusted is changed, and whose it is."""
    return paths.TFVARS + infra_place().removeprefix("infra/")
