"""What several rules need: values of an entry that Terraform refuses."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.entry_errors import entry_errors
from keyless.model.findings import Finding
from keyless.model.repository import Repository


def refused(repository: Repository, rule: str, attributes: set[str]) -> Iterator[Finding]:
    """Yield the values of some attributes that Terraform refuses, entry by entry."""
    account = repository.account
    for key, entry in account.entries.items():
        for attribute, why, mend in entry_errors(account, entry):
            if attribute in attributes:
                message = f"{key}: {attribute} {why}, so Terraform refuses it"
                yield account.finding(key, attribute, rule, message, mend)


def shared_by_entries(repository: Repository, rule: str, attribute: str) -> Iterator[Finding]:
    """Yield the entries that share a value of an attribute with another entry."""
    account = repository.account
    taken = [entry[attribute].lower() for entry in account.entries.values()]
    for key, entry in account.entries.items():
        if taken.count(entry[attribute].lower()) > 1:
            message = f"{key}: another entry has the same {attribute}, so Terraform refuses it"
            mend = "give each entry its own. Each environment has one entry, one role and one ECR"
            mend += " repository"
            yield account.finding(key, attribute, rule, message, mend)
