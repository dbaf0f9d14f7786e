"""What stays behind in AWS when an answer changes whose meaning is there, not only in files."""

from __future__ import annotations

from collections.abc import Iterator

# For each question what follows in AWS, and what to do. docs/changes.md has the same table.
IN_AWS = {
    "github_repository": (
        "Rename or transfer the repository on GitHub first. Then `make bootstrap` asks GitHub"
        " for the new subject and changes the role in place. The ECR repository, its images and"
        " the key of the entry stay."
    ),
    "project_slug": (
        "You rarely need this, because the key of the entry can differ from the name of the"
        " repository. The role and the ECR repository get new addresses in Terraform, and the"
        " role gets a new name. So Terraform replaces the role. The ECR repository stays if you"
        " write a `moved` block. The folder here keeps its name."
    ),
    "aws_account_id": (
        "Everything in the old account stays as it is, and Terraform's state still describes"
        " that account. So first write another `key` into `infra/backend.tf`. If there is no"
        " such file, move `infra/terraform.tfstate` away."
    ),
    "aws_region": (
        "A new, empty ECR repository is created. The old one stays in its region with its"
        " images, and Terraform no longer knows it."
    ),
    "ecr_repository": (
        "A new, empty ECR repository replaces the old one. First delete the images of the old"
        " one. Then type `make bootstrap ARGS=--allow-destroy`."
    ),
    "oidc_provider": (
        "`make bootstrap` decides by what is in the account. This repository creates the"
        " provider unless the account has one that this state does not know. To take a provider"
        " out of this state without deleting it, type `terraform -chdir=infra state rm"
        " 'aws_iam_openid_connect_provider.github[0]'`."
    ),
    "iac_tool": (
        "Between Terraform and OpenTofu the state stays. Delete `infra/.terraform.lock.hcl`,"
        " because each program has its own registry of providers. With `none`, the role and the"
        " ECR repository stay in AWS. First type `make destroy`, or add the entry to the"
        " `infra/` of another repository."
    ),
    "state_bucket": (
        "The state stays where it is until you move it: `terraform -chdir=infra init"
        " -migrate-state`."
    ),
    "deploy_to": (
        "A running service keeps running, and costs money, until you delete it"
        " (docs/destroy.md). To delete its roles, type `make bootstrap ARGS=--allow-destroy`."
        " Then publish a version. The new service has a new address."
    ),
}


def explained(before: dict[str, str], changed: dict[str, str]) -> Iterator[str]:
    """Yield what each changed answer means in AWS, where it means something there."""
    for key, value in changed.items():
        if key in IN_AWS and before.get(key) != value:
            yield f"{key}: {IN_AWS[key]}".replace("`", "")
