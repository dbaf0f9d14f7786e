"""What stays behind in AWS when an answer changes whose meaning is there, not only in files."""

from __future__ import annotations

from collections.abc import Iterator

# For each question what follows in AWS, and what to do. docs/changes.md has the same table.
IN_AWS = {
    "github_repository": (
        "Rename or transfer the repository on GitHub first. `make bootstrap` then asks GitHub"
        " for the new subject and changes the role in place. Registry, images and the key of"
        " the entry stay."
    ),
    "project_slug": (
        "Few people need this: the key of the entry need not be the name of the repository."
        " Role and registry get other addresses in Terraform, and the role another name. So"
        " Terraform replaces the role. The registry stays if you write a `moved` block. The"
        " folder here keeps its name."
    ),
    "aws_account_id": (
        "Everything in the old account stays as it is. Terraform's state describes that"
        " account. So first write another `key` into `infra/backend.tf`, or, if there is none,"
        " move `infra/terraform.tfstate` away."
    ),
    "aws_region": (
        "A new, empty registry is created. The old one stays in its region with its images,"
        " and Terraform no longer knows it."
    ),
    "ecr_repository": (
        "A new, empty registry replaces the old one. Delete the images of the old one first."
        " Then type `make bootstrap ARGS=--allow-destroy`."
    ),
    "oidc_provider": (
        "`make bootstrap` decides by what is in the account: this repository creates the"
        " provider unless the account has one that this state does not know. To let go of one"
        " that this state has created, type `terraform -chdir=infra state rm"
        " 'aws_iam_openid_connect_provider.github[0]'`."
    ),
    "iac_tool": (
        "Between Terraform and OpenTofu the state stays. Delete `infra/.terraform.lock.hcl`,"
        " because each program has a registry of its own. With `none`, role and registry stay"
        " in AWS: type `make destroy` before, or add the entry to the `infra/` of another"
        " repository."
    ),
    "state_bucket": (
        "The state stays where it is until you move it: `terraform -chdir=infra init"
        " -migrate-state`."
    ),
    "deploy_to": (
        "A service that runs goes on running, and costs, until you delete it"
        " (docs/destroy.md). Its roles go with `make bootstrap ARGS=--allow-destroy`. Then"
        " publish a version. Another service has another address."
    ),
}


def explained(before: dict[str, str], changed: dict[str, str]) -> Iterator[str]:
    """Yield what each changed answer means in AWS, where it means something there."""
    for key, value in changed.items():
        if key in IN_AWS and before.get(key) != value:
            yield f"{key}: {IN_AWS[key]}".replace("`", "")
