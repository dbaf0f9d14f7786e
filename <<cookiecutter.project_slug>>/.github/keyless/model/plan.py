"""What the JSON of a plan shows [Terraform, "JSON Output Format"]: resources, and who makes them.

A value that is known only after the apply is missing from a resource's values; one that is not set
is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.documents import LARGEST_PLAN, parse_json, read_file
from keyless.model.findings import CannotJudge

INFRA = "infra"  # the folder of the root module
_KEYS = re.compile(r"\[(?:\d+|\"(?:\\.|[^\"\\])*\")\]")  # of count and for_each, in an address


def quote_key(key: str) -> str:
    """Return a key of for_each as Terraform writes it in an address."""
    return json.dumps(key, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


class Resource(NamedTuple):
    """A resource that a plan leaves in place, or makes."""

    address: str
    type: str
    values: dict[str, Any]
    provider: str = ""  # its source address
    schema_version: int = 0
    index: Any = None  # of count or for_each
    settings: dict[str, Any] = {}  # its block in the configuration  # noqa: RUF012

    def get(self, attribute: str) -> Any:
        """Return a value; None where it is null or known only after the apply."""
        return self.values.get(attribute)

    def unknown(self, attribute: str) -> bool:
        """Tell whether infra/ sets a value that is known only after the apply.

        Where it sets none, what AWS fills in is nobody's grant.
        """
        expressions = self.settings.get("expressions")
        set_here = expressions is None or attribute in expressions
        return set_here and attribute not in self.values

    @property
    def issuer(self) -> str:
        """The URL of an identity provider without https://, as ARNs have it."""
        return str(self.get("url")).replace("https://", "")


class Plan(NamedTuple):
    """A plan: its file, its JSON, the resources in it, and where infra/ has them."""

    path: str
    root: Path  # of the repository
    account: Account  # the values that it was made with
    shown: Any
    resources: list[Resource]
    made_without_aws: bool = False

    def of(self, *kinds: str) -> list[Resource]:
        """Return the resources of some types."""
        return [each for each in self.resources if each.type in kinds]

    def find(self, kind: str, attribute: str, value: str) -> list[Resource]:
        """Return the resources of a type with a value of an attribute."""
        return [each for each in self.of(kind) if each.get(attribute) == value]

    def where(self, address: str) -> tuple[str, int]:
        """Return file and line of the block that an address names; the plan's where none is found.

        A plan does not say where a block stands. This decides nothing but where a finding points.
        """
        bare = _KEYS.sub("", address).split(".")
        folder = self._folder(bare if len(bare) > 2 else [])
        kind = (
            "module"
            if bare[-2] == "module"
            else f'{"data" if "data" in bare else "resource"}[ \t]+"?{bare[-2]}"?'
        )
        head = rf'(?m)^[ \t]*{kind}[ \t]+"?{re.escape(bare[-1])}"?[ \t]*\{{'
        for path, text in _sources(self.root, folder):
            found = re.search(head, text) or (
                path.endswith(".json") and re.search(f'"{re.escape(bare[-1])}"', text)
            )
            if found:
                return path, text.count("\n", 0, found.start()) + 1
        return (folder, 1) if self.made_without_aws else (self.path, 1)

    def _folder(self, bare: list[str]) -> str:
        """Return the folder of the module of a resource, relative to the root."""
        folder, configuration = INFRA, self.shown.get("configuration", {}).get("root_module", {})
        names = [name for kind, name in zip(bare[::2], bare[1::2]) if kind == "module"]
        for name in names:
            call = configuration.get("module_calls", {}).get(name, {})
            configuration = call.get("module", {})
            source = str(call.get("source", ""))
            if source.startswith("."):
                folder = _joined(folder, source)
        return folder

    def provider_config(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the provider of a block of the configuration; empty where none is configured."""
        key = str(settings.get("provider_config_key", ""))
        configured = self.shown["configuration"].get("provider_config", {})
        return dict(configured.get(key) or configured.get(key.rpartition(":")[2]) or {})

    def provider_of(self, resource: Resource) -> dict[str, Any]:
        """Return the expressions of the provider that makes a resource."""
        return dict(self.provider_config(resource.settings).get("expressions") or {})


def _joined(folder: str, source: str) -> str:
    parts = folder.split("/")
    for part in source.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _sources(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    for file in sorted((root / folder).glob("*.t*")):
        if re.search(r"\.(tf|tofu)(\.json)?$", file.name) and file.is_file():
            yield f"{folder}/{file.name}", file.read_text(encoding="utf-8", errors="replace")


def read_plan(path: Path, account: Account, root: Path) -> Plan:
    """Read what `terraform show -json` has printed.

    Raises:
        CannotJudge: it is no plan, or one for other entries.
    """
    shown = parse_json(str(path), read_file(Path(), str(path), LARGEST_PLAN))
    return parse_plan(str(path), shown, account, root)


def parse_plan(path: str, shown: Any, account: Account, root: Path) -> Plan:
    """Return what the JSON of a plan shows; `path` names it.

    Raises:
        CannotJudge: it is no plan, or one for other entries.
    """
    try:
        variables = {key: each.get("value") for key, each in shown["variables"].items()}
        given = [variables[key] for key in ("aws_account_id", "aws_region")]
        resources = sorted(resources_in(shown), key=lambda each: not _is_of_entry(each))
        {*variables["repositories"]}
    except (LookupError, TypeError, AttributeError) as error:
        raise CannotJudge(
            f"{path}: not the JSON of a plan ({error!r}); write it: make plan"
        ) from error
    if (path != INFRA and given != [account.id, account.region]) or shown.get("errored"):
        raise CannotJudge(
            f"{path}: was made for other values, or failed; write it again: make plan"
        )
    return Plan(path, root, account, shown, resources)


def _is_of_entry(resource: Resource) -> bool:
    """Tell whether a resource stands where an entry's are made; another one is the further one."""
    return resource.address.startswith("module.repository[")


def planned_keys(plan: Plan, account: Account) -> set[str]:
    """Return the keys of the entries that a plan is of: those of one file, or all.

    Raises:
        CannotJudge: it was made for other entries.
    """
    if plan.made_without_aws:
        return {*account.entries}
    keys = {*plan.shown["variables"]["repositories"]["value"]}
    for name in account.texts:
        own = {key for key, place in account.places.items() if place == name}
        if keys == own:
            return own
    raise CannotJudge(
        f"{plan.path}: was made for other entries than {account.path} has; write it again"
    )


def resources_in(shown: Any) -> Iterator[Resource]:
    """Yield the managed resources of a plan.

    Raises:
        LookupError, TypeError, AttributeError: it is none.
    """
    blocks = _blocks(shown["configuration"]["root_module"])
    modules = [shown["planned_values"]["root_module"]]
    for module in modules:
        modules += module.get("child_modules", [])
        for each in module.get("resources", []):
            if each.get("mode", "managed") == "managed":
                yield Resource(
                    each["address"],
                    each["type"],
                    each.get("values") or {},
                    each.get("provider_name", ""),
                    each.get("schema_version", 0),
                    each.get("index"),
                    blocks.get(_KEYS.sub("", each["address"]), {}),
                )


def _blocks(module: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """Return the blocks of a configuration by their addresses, without keys."""
    found = {f"{prefix}{each['address']}": each for each in module.get("resources", [])}
    for name, call in module.get("module_calls", {}).items():
        found.update(_blocks(call.get("module", {}), f"{prefix}module.{name}."))
    return found


def configured_resources(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return all blocks of the configuration by their addresses, data sources included."""
    return _blocks(plan.shown["configuration"]["root_module"])


def kept_by_comment(root: Path, where: tuple[str, int], rule: str) -> bool:
    """Tell whether a block has a comment with a reason, in it or right above it, that keeps it.

    For example: # check: skip=known-roles deploys the documentation, and nothing else
    """
    path, line = where
    try:
        lines = (root / path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    first, last = line - 1, line - 1
    while first > 0 and re.match(r"\s*(#|//)", lines[first - 1]):
        first -= 1
    while last < len(lines) and not re.match(r"\}", lines[last]):
        last += 1
    mark = re.compile(rf"\s*(#|//) check: skip={re.escape(rule)} +\S.*\w")
    return any(mark.match(each) for each in lines[first:last])
