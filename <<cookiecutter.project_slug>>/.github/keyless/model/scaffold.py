"""Which files of a repository were generated, or written by the tool; the others are not ours."""

from __future__ import annotations

from fnmatch import fnmatchcase

from keyless.paths import TOOL

GENERATED = (
    *(".cookiecutter.json", ".dockerignore", ".editorconfig", ".gitattributes", ".gitignore"),
    *(".pre-commit-config.yaml", "Dockerfile", "Makefile", "README.md", "PUBLISHING.md"),
    *(".github/dependabot.yml", ".github/workflows/ci.yml", ".github/workflows/deploy.yml"),
    *("app/server.py", "infra.json", "service.json"),
    *("infra/.gitignore", "infra/backend.tf", "infra/main.tf", "infra/oidc.tf", "infra/outputs.tf"),
    *("infra/service.tf", "infra/terraform.tfvars.json", "infra/variables.tf", "infra/versions.tf"),
    *("infra/repository/lifecycle.json", "infra/repository/outputs.tf"),
    *("infra/repository/push-actions.json", "infra/repository/registry.tf"),
    *("infra/repository/trust.tf", "infra/repository/variables.tf", "infra/repository/versions.tf"),
    *("infra/shared/publish-image.yml", "infra/tests/trust.tftest.hcl"),
)
WRITTEN = (  # by commands, later
    *(".github/workflows/publish-image.yml", ".github/workflows/update.yml"),
    "infra/.terraform.lock.hcl",
    *("infra/repositories-*.tfvars.json", "services/*.json", "services/*.yml"),
)


def is_generated(path: str) -> bool:
    """Tell whether a file came from the template or the tool; `path` is relative, with slashes."""
    own = path.startswith(f"{TOOL}/")
    return own or path in GENERATED or any(fnmatchcase(path, each) for each in WRITTEN)
