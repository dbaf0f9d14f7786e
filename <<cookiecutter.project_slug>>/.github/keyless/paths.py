"""Where things stand in a generated repository, relative to its root and with slashes."""

from __future__ import annotations

from pathlib import Path

TOOL = ".github/keyless"  # this folder
ROOT = Path(__file__).resolve().parents[2]  # of the repository that this folder stands in

WORKFLOWS = ".github/workflows"
SHARED_WORKFLOW = ".github/workflows/publish-image.yml"  # which other repositories may call
TOOL_ACTION = ".github/keyless/action.yml"  # which lets jobs of other repositories use the tool

TFVARS = "infra/terraform.tfvars.json"
FURTHER_VALUES = "repositories-*.tfvars.json"  # beside it: entries with a state of their own
INFRA_JSON = "infra.json"  # without infra/: what another repository's infra/ says of this one
TRUST_TEST = "infra/tests/trust.tftest.hcl"
TRUST_TF = "infra/repository/trust.tf"
OIDC_TF = "infra/oidc.tf"
REGISTRY_TF = "infra/repository/registry.tf"
BACKEND_TF = "infra/backend.tf"
PUSH_ACTIONS = "infra/repository/push-actions.json"
LIFECYCLE = "infra/repository/lifecycle.json"

SERVICE_JSON = "service.json"  # the settings of what runs the image
SERVICE_TF = "infra/service.tf"  # its roles
ANSWERS = ".cookiecutter.json"  # what the repository was generated with
