# Who can assume the role: the publishing job of this GitHub repository, by its subjects, and nobody else.

locals {
  oidc_host = split("oidc-provider/", var.account.oidc_provider_arn)[1]

  # A job with an environment presents the environment and no ref; a ":" in its name arrives as %3A
  # (GitHub docs, actions/reference/security/oidc).
  subjects = [
    for context in var.entry.environment == null ? [for ref in var.entry.refs : "ref:${ref}"] : ["environment:${replace(var.entry.environment, ":", "%3A")}"] :
    "${var.entry.subject_prefix}:${context}"
  ]

  ref_claim = var.entry.environment != null && var.entry.test_ref && var.account.partition == "aws"
  id_claims = regexall("@([0-9]+)", coalesce(var.entry.subject_prefix, "-")) # the owner's, the repository's
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.account.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.oidc_host}:aud"
      values   = [var.account.audience]
    }

    condition {
      test     = anytrue([for subject in local.subjects : endswith(subject, "*")]) ? "StringLike" : "StringEquals"
      variable = "${local.oidc_host}:sub"
      values   = local.subjects
    }

    # The role tests these claims in addition to aud and sub. AWS has had these condition keys since January 2026,
    # in the commercial partition only. In the others, nobody could assume a role that tests them.
    dynamic "condition" {
      for_each = merge(
        local.ref_claim ? tomap({ ref = var.entry.refs }) : tomap({}),
        var.entry.job_workflow_ref != null ? tomap({ job_workflow_ref = [var.entry.job_workflow_ref] }) : tomap({}),
        var.entry.test_ids ? tomap({ repository_owner_id = local.id_claims[0], repository_id = local.id_claims[1] }) : tomap({}),
      )

      content {
        test     = anytrue([for value in condition.value : endswith(value, "*")]) ? "StringLike" : "StringEquals"
        variable = "${local.oidc_host}:${condition.key}"
        values   = condition.value
      }
    }
  }
}

resource "aws_iam_role" "push" {
  name                 = var.entry.role_name
  path                 = var.account.role_path
  description          = "Pushes images of ${var.entry.github_repository} to ECR"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = var.entry.max_session_duration
  permissions_boundary = var.account.permissions_boundary
}

check "ref_is_tested_beside_the_environment" {
  assert {
    condition     = var.entry.environment == null || !var.entry.test_ref || local.ref_claim
    error_message = "In the partition ${var.account.partition} a trust policy cannot test the claim ref, so every ref that can use the environment ${coalesce(var.entry.environment, "-")} can publish. Limit the environment to ${join(", ", var.entry.refs)} (GitHub: Settings, Environments), then write \"test_ref\": false."
  }
}
