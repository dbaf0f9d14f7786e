"""What Terraform makes of each entry, also where infra/ is not as it was generated."""

from __future__ import annotations

from pathlib import Path

from keyless.model.account import Account
from keyless.model.findings import CannotJudge
from keyless.model.generated import changed_infra
from keyless.model.infra import Infra
from keyless.model.planned import planned_entry
from keyless.model.service import read_service
from keyless.model.terraform import read_infra
from keyless.planning.offline import Refused, plan_infra
from keyless.planning.workspace import with_prefixes


def infra_of_entries(root: Path, account: Account) -> dict[str, Infra]:
    """Return what Terraform makes of each entry, by its key.

    Raises:
        CannotJudge: infra/ was changed, and what it makes of an entry cannot be planned here.
    """
    if not changed_infra(root, account):
        written = read_infra(root, account)
        return {key: written.of_entry(entry) for key, entry in account.entries.items()}
    try:
        plan = plan_infra(root, with_prefixes(account))
    except Refused as reason:
        raise CannotJudge(f"infra: Terraform refuses it ({reason}); correct it") from reason
    service = read_service(root, account)
    found = {}
    for key, entry in account.entries.items():
        runs = service if service and service.entry is entry else None
        infra = planned_entry(plan, account, entry, runs).infra
        if infra is None:
            raise CannotJudge(
                f"infra: the plan does not show what it makes for {key}; type: make check"
            )
        found[key] = infra
    return found
