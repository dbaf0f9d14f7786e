"""Compare what infra/ uses of the AWS provider with the schemas of several of its versions.

The schemas are those of tests/infra/schemas.yml, which `make lock` writes (provider_packages.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import yaml

from tests.standins.emulator import ROOT

FILE = ROOT / "tests/infra/schemas.yml"
# What Terraform itself reads in a block of any type (Terraform docs, "Meta-arguments").
TERRAFORMS_OWN = {"count", "depends_on", "for_each", "lifecycle", "provider", "provisioner"}
# An attribute that is read of a resource or a data source, such as aws_iam_role.push.arn.
READ = re.compile(r"(?<![\w.])((data\.)?(aws_\w+)\.\w+)(?:\[[^\]]*\])?\.(\w+)")

Schema = dict[str, Any]  # required, optional, computed: names; blocks: a schema for each name
Used = set[tuple[str, str]]  # a kind (provider, resource or data), and the type


def recorded() -> dict[str, Schema]:
    """Return what is recorded, by the provider's version: its source, and schemas by kind."""
    return yaml.safe_load(FILE.read_text())  # type: ignore[no-any-return]


def files(infra: Path) -> dict[str, str]:
    """Return the Terraform files below infra/ and their texts, its tests included."""
    found = (path for path in sorted(infra.rglob("*")) if path.suffix in (".tf", ".hcl"))
    return {f"infra/{path.relative_to(infra).as_posix()}": path.read_text() for path in found}


def used(texts: Iterable[str]) -> Used:
    """Return the types that Terraform files use."""
    return {(kind, of) for text in texts for kind, of, _, _ in _blocks(text)}


def uncovered(of: Used, schemas: dict[str, Schema]) -> list[str]:
    """Return a line for each type in use that no schema is recorded of, and the other way round."""
    lines = []
    for version, schema in schemas.items():
        have = {(kind, of) for kind in ("provider", "resource", "data") for of in schema[kind]}
        for (kind, name), where in (
            *((each, "is in infra/, but not") for each in sorted(of - have)),
            *((each, "is not in infra/, but") for each in sorted(have - of)),
        ):
            lines.append(f"{kind} {name} {where} in schemas.yml for {version}. Type: make lock")
    return lines


def allowed(versions_tf: str, versions: Iterable[str]) -> list[str]:
    """Return the versions of the provider that a versions.tf allows."""
    (terraform,) = hcl2.loads(versions_tf)["terraform"]
    demand = terraform["required_providers"][0]["aws"]["version"].strip('"')
    least, below = re.fullmatch(r">= ([\d.]+), < ([\d.]+)", demand).groups()  # type: ignore[union-attr]
    return [each for each in versions if _order(least) <= _order(each) < _order(below)]


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def problems(name: str, text: str, version: str, schema: Schema) -> list[str]:
    """Return what a version of the provider refuses in a Terraform file: file, address, reason."""
    found = []
    for kind, of, address, body in _blocks(text):
        if of in schema[kind]:
            found += [f"{address}{each}" for each in _refused(body, schema[kind][of])]
        else:
            found.append(f"{address}: schemas.yml has no {kind} {of}. Type: make lock")
    for address, data, of, attribute in READ.findall(text):
        known = schema["data" if data else "resource"].get(of)
        if known and attribute not in {*_settable(known), *known.get("computed", [])}:
            found.append(f"{address}.{attribute} is read, but there is no such attribute")
    return [f"{name}, AWS provider {version}: {each}" for each in found]


def _settable(schema: Schema) -> set[str]:
    return {*schema.get("required", []), *schema.get("optional", []), *schema.get("blocks", {})}


def _refused(body: dict[str, Any], schema: Schema) -> Iterator[str]:
    """Yield what does not fit, each as the rest of an address and the reason."""
    blocks = schema.get("blocks", {})
    given = set()
    for name, bodies in _given(body):
        given.add(name)
        if name in schema.get("computed", []):
            yield f".{name}: the provider computes it, so it cannot be set"
        elif name not in _settable(schema):
            yield f".{name}: there is no such argument or block"
        elif (name in blocks) != (bodies is not None):
            yield f".{name}: it is {'a block' if name in blocks else 'an argument'}"
        else:
            for each in bodies or []:
                yield from (f".{name}{rest}" for rest in _refused(each, blocks[name]))
    for name in schema.get("required", []):
        if name not in given:
            yield f".{name}: it is required, and missing"


def _given(body: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]] | None]]:
    """Yield what a block says to the provider: the name, and of a block each of its bodies."""
    for name, value in _named(body):
        if name == "dynamic":
            yield from ((of, inner["content"]) for each in value for of, inner in _named(each))
        elif name not in TERRAFORMS_OWN:
            block = isinstance(value, list) and any("__is_block__" in each for each in value)
            yield name, value if block else None


def _named(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values of a block, without the parser's marks."""
    for name, value in body.items():
        if not name.startswith("__"):
            yield name.strip('"'), value


@cache  # most variants share most files
def _blocks(text: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return the blocks that the provider judges: kind, type, address and body of each."""
    tree = hcl2.loads(text)
    found = []
    for kind in ("resource", "data"):
        for of, each in (pair for block in tree.get(kind, []) for pair in _named(block)):
            for name, body in _named(each):
                found.append((kind, of, f"{'data.' * (kind == 'data')}{of}.{name}", body))
    for of, body in (pair for block in tree.get("provider", []) for pair in _named(block)):
        found.append(("provider", of, f"provider.{of}", body))
    return [each for each in found if each[1].split("_")[0] == "aws"]
