"""The schemas of the AWS provider, from Python packages that were generated from it.

`make lock` runs `python -m tests.support.provider_packages`. It downloads three packages, each with
another version of the provider, and writes into tests/infra/schemas.yml what infra/ uses of them.
"""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

from tests.support.combinations import distinct_infra
from tests.support.schemas import FILE, Schema, Used, files, recorded, used
from tests.support.sums import generate_without_hook

PACKAGES = (
    "cdktf-cdktf-provider-aws==20.1.0",  # provider 5.100.0, the oldest that is promised
    "cdktf-cdktf-provider-aws==21.7.0",  # provider 6.8.0, the oldest with second_tag=latest
    "cdktn-provider-aws",  # the newest
)
HEAD = """\
# What infra/ uses of the AWS provider's schemas. `make lock` distils it from the packages of PyPI
# that are named here (license: MPL-2.0), which are generated from the provider. The block
# `endpoints` of the provider itself is left out: it names 300 services.
"""


def distilled(wheel: Path, of: Used) -> tuple[str, Schema]:
    """Return the provider's version in a package, and its source with the schemas of some types.

    Raises:
        SystemExit: the package has no such type.
    """
    with ZipFile(wheel) as package:
        names = package.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = package.read(metadata).decode()
        version = re.findall(r"hashicorp/aws provider version (\d+\.\d+\.\d+)", text)[0]
        found: Schema = {
            "package": re.findall(r"(?m)^Name: (\S+)", text)[0],
            "version": re.findall(r"(?m)^Version: (\S+)", text)[0],
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        }
        folder = metadata.split("-")[0]
        for kind, name in sorted(of):
            module = {"provider": "provider", "data": f"data_{name}"}.get(kind, name[len("aws_") :])
            path = f"{folder}/{module}/__init__.py"
            if path not in names:
                raise SystemExit(f"AWS provider {version} has no {kind} {name} ({path}).")
            found.setdefault(kind, {})[name] = schema_of(package.read(path).decode(), name)
    return version, found


def schema_of(source: str, name: str) -> Schema:
    """Return the schema of a type from the module that was generated for it."""
    nodes = ast.parse(source).body
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    mark = re.compile(rf"Represents a {{@link \S+ {name}}}\.")
    (main,) = (each for each in classes.values() if mark.match(ast.get_docstring(each) or ""))
    schema, arguments = _block(classes, f"{main.name}Config")
    members = [
        each.name
        for each in main.body
        if isinstance(each, ast.FunctionDef)
        and "builtins.property" in [ast.unparse(decorator) for decorator in each.decorator_list]
    ]
    # Beside each argument `x` stands a property `x_input`. What has none is what AWS answers.
    answers = {each for each in members if not each.endswith("_input")} - arguments
    if not answers or name == "aws":  # the provider itself answers nothing
        return schema
    return {**schema, "computed": sorted(answers)}


def _block(classes: dict[str, ast.ClassDef], name: str) -> tuple[Schema, set[str]]:
    """Return the schema that a class stands for, and how it names its arguments in Python.

    The documentation of an argument has its name in Terraform, and says whether it is a block.
    """
    (init,) = (each for each in classes[name].body if getattr(each, "name", "") == "__init__")
    assert isinstance(init, ast.FunctionDef)
    pieces = re.split(r"(?m)^:param (\w+): ?", ast.get_docstring(init) or "")
    documented = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    lists: dict[str, list[str]] = {"required": [], "optional": []}
    blocks: dict[str, Any] = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        text = documented[argument.arg]
        if not text.strip():
            continue  # Terraform's own, such as count
        terraform = re.findall(r"\{@link \S+#(\w+) \w+#\1\}", text)[0]
        if terraform == "endpoints":
            continue
        inner = _classes_in(argument.annotation, classes)
        block = text.startswith(f"{terraform} block.")
        if block:
            blocks[terraform], _ = _block(classes, inner[0])
        if not block or default is None:
            lists["optional" if default else "required"].append(terraform)
    schema = {kind: sorted(names) for kind, names in lists.items() if names}
    named = {argument.arg for argument in init.args.kwonlyargs}
    return {**schema, **({"blocks": blocks} if blocks else {})}, named


def _classes_in(annotation: ast.expr | None, classes: dict[str, ast.ClassDef]) -> list[str]:
    """Return the classes of a module that an annotation names, quoted or not."""
    nodes = ast.walk(annotation) if annotation else ()
    names = (getattr(node, "id", getattr(node, "value", None)) for node in nodes)
    return [name for name in names if isinstance(name, str) and name in classes]


def download(package: str, folder: Path) -> Path:
    """Download the wheel of a package, without what it depends on."""
    options = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    subprocess.run([*pip, *options, package], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def changed(before: dict[str, Schema], after: dict[str, Schema]) -> list[str]:
    """Return the packages whose content is another one than the one recorded for their version."""
    sums = {(each["package"], each["version"]): each["sha256"] for each in before.values()}
    return [
        f"{each['package']} {each['version']}"
        for each in after.values()
        if sums.get((each["package"], each["version"]), each["sha256"]) != each["sha256"]
    ]


def types_in_use() -> Used:
    """Return the types that infra/ uses, in any way in which it is generated."""
    found: Used = set()
    for answers in distinct_infra():
        with tempfile.TemporaryDirectory() as folder:
            root = generate_without_hook(Path(folder), answers)
            found |= used(files(root / "infra").values())
    return found


def main() -> None:
    """Write schemas.yml.

    Raises:
        SystemExit: a package is not the one that was recorded.
    """
    of = types_in_use()
    found = {}
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            version, schema = distilled(download(package, Path(folder)), of)
            found[version] = schema
    others = changed(recorded() if FILE.exists() else {}, found)
    if others:
        raise SystemExit(f"{', '.join(others)}: not the file whose sha256 is in {FILE.name}.")
    text = yaml.safe_dump(found, default_flow_style=None, sort_keys=False, width=100)
    FILE.write_text(HEAD + text)


if __name__ == "__main__":
    main()
