"""What a project says of its roles and ECR repositories, as facts: a topic, and its value.

A text is compared as a whole, a list by what comes and what goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

from keyless.explain import who_may
from keyless.model.account import INFRA_JSON_KINDS, Account
from keyless.model.documents import as_list
from keyless.model.generated import kind_of
from keyless.model.infra import Infra
from keyless.model.service import Service
from keyless.model.service_plan import deploy_statements
from keyless.model.terraform import read_infra
from keyless.paths import BACKEND_TF, REGISTRY_TF

Facts = dict[str, Union[str, list[str]]]  # by the beginning of the sentence; lists are sorted

RUNS = {"ecs-express": "ECS Express Mode as", "app-runner": "App Runner as"}
# What other sentences say of an entry, and of everything.
_SAID = {
    *("github_repository", "subject_prefix", "refs", "environment", "test_ref", "job_workflow_ref"),
    *("ecr_repository", "role_name", "max_session_duration", "pull_accounts"),
    *("expire_untagged_after_days", "keep_newest_images"),
}
_SAID_OF_ALL = {
    *("aws_account_id", "aws_region", "create_oidc_provider", "repositories", "oidc_issuer"),
    *("role_path", *INFRA_JSON_KINDS),
}


def facts_of_account(root: Path, account: Account) -> Facts:
    """Return what holds for all entries."""
    keeps = creates = state = "another repository"
    if account.made_here:
        own = account.values["create_oidc_provider"]
        creates = "this repository's Terraform" if own else "somebody else (it is only read)"
        keeps, state = "infra/ of this repository", _place_of_state(root)
    tokens = f"those of https://{account.issuer} for {account.audience}"
    return {
        "What creates the role and the ECR repository:": keeps,
        "Who creates the OIDC identity provider:": creates,
        "Where Terraform keeps its state:": state,
        "Which tokens the roles trust:": tokens,
        **_others(account.values, _SAID_OF_ALL, account.path),
    }


def facts_of_entry(account: Account, key: str) -> Facts:
    """Return what an entry says of its role and its ECR repository."""
    entry = account.entries[key]
    name, called = entry["github_repository"], entry.get("job_workflow_ref")
    seconds = entry.get("max_session_duration") or 3600
    return {
        "Who can publish:": who_may(account, entry),
        "Which jobs can publish:": f"only those of {called}" if called else f"those of {name}",
        "What the subject begins with:": entry.get("subject_prefix") or "what GitHub will report",
        "Which role a release assumes:": account.role(entry),
        "How long the role's credentials last:": f"{seconds} seconds",
        "Where images go:": f"{account.registry}/{entry['ecr_repository']}",
        "Which other accounts can pull images:": sorted(entry.get("pull_accounts") or []),
        **_others(entry, _SAID, account.places[key]),
    }


def facts_of_grants(root: Path, account: Account, service: Service | None) -> dict[str, Facts]:
    """Return, by key, what each role can do and what its ECR repository keeps.

    Raises:
        CannotJudge: a file that says it cannot be read.
    """
    made = read_infra(root, account)
    known = not account.made_here or bool(kind_of(root, REGISTRY_TF))
    found: dict[str, Facts] = {}
    for key, entry in account.entries.items():
        infra, runs = made.of_entry(entry), service if service and service.entry is entry else None
        further = [each["Action"] for each in deploy_statements(runs)] if runs else []
        granted = {*infra.granted, *(action for each in further for action in as_list(each))}
        found[key] = {
            "What the role can do:": sorted(granted),
            "Which images ECR deletes:": sorted(_deleted(infra)),
            **({"Which tags can move to another image:": sorted(infra.excluded)} if known else {}),
        }
    return found


def facts_of_service(service: Service | None) -> Facts:
    """Return what runs the image, and with which settings."""
    if not service:
        return {"What runs the image:": "nothing"}
    runs = f"{RUNS[service.target]} {service.name}, with the entry {service.settings['entry']}"
    others = _others(service.settings, {"deploy_to", "name", "entry"}, "service.json")
    return {"What runs the image:": runs, **others}


def _others(values: dict[str, Any], said: set[str], where: str) -> Facts:
    """Return what has no words of its own, so that nothing is passed over."""
    return {
        f"{key} in {where} is": json.dumps(value, ensure_ascii=False)
        for key, value in values.items()
        if key not in said
    }


def _place_of_state(root: Path) -> str:
    path = root / BACKEND_TF
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = re.findall(r'(?m)^\s*(bucket|key|region)\s*=\s*"([^"\n]*)"', text)
    return ", ".join(f"{key} {value}" for key, value in found) or "a local file"


def _deleted(infra: Infra) -> Iterator[str]:
    """Yield which images a lifecycle policy deletes, rule by rule."""
    rules = infra.lifecycle.get("rules") if isinstance(infra.lifecycle, dict) else None
    for rule in as_list(rules):
        selection = rule.get("selection") if isinstance(rule, dict) else None
        if not isinstance(selection, dict):
            yield json.dumps(rule)
            continue
        number, of = selection.get("countNumber"), selection.get("tagPatternList") or []
        which = f"{selection.get('tagStatus')} images"
        which += f" ({', '.join(map(str, of))})" * bool(of)
        after = f"after {number} day{'s' * (number != 1)}"
        aged = selection.get("countType") == "sinceImagePushed"
        yield f"{which} {after if aged else f'except the newest {number}'}"
