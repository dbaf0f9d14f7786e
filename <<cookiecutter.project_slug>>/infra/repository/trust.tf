# Who may assume the role: the subjects of this GitHub repository's publishing job, and nobody else.

locals {
  oidc_host = split("oidc-provider/", var.account.oidc_provider_arn)[1]

  # A job with an environment presents the environment and no ref; a ":" in its name arrives as %3A
  # (GitHub docs, actions/reference/security/oidc).
  contexts = var.environment == null ? [for ref in var.refs : "ref:${ref}"] : ["environment:${replace(var.environment, ":", "%3A")}"]
  subjects = [for context in local.contexts : "${var.subject_prefix}:${context}"]

  # Claims that are tested beside aud and sub. AWS knows them since January 2026 as condition keys, in
  # the commercial partition; where a key is not known the role would be refused to everybody.
  ref_claim = var.environment != null && var.test_ref && var.account.partition == "aws"
  id_claims = regexall("@([0-9]+)", coalesce(var.subject_prefix, "-")) # the owner's, the repository's
  more_claims = merge(
    local.ref_claim ? tomap({ ref = var.refs }) : tomap({}),
    var.test_ids ? tomap({ repository_owner_id = local.id_claims[0], repository_id = local.id_claims[1] }) : tomap({}),
  )
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

    dynamic "condition" {
      for_each = local.more_claims

      content {
        test     = anytrue([for value in condition.value : endswith(value, "*")]) ? "StringLike" : "StringEquals"
        variable = "${local.oidc_host}:${condition.key}"
        values   = condition.value
      }
    }
  }
}

resource "aws_iam_role" "push" {
  name                 = var.role_name
  path                 = var.role_path
  description          = "Pushes images of ${var.github_repository} to ECR"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = var.max_session_duration
  permissions_boundary = var.permissions_boundary
}

check "ref_is_tested_beside_the_environment" {
  assert {
    condition     = var.environment == null || !var.test_ref || local.ref_claim
    error_message = "In the partition ${var.account.partition} a trust policy cannot test the claim ref, so every ref that may use the environment ${coalesce(var.environment, "-")} may publish. Limit the environment to ${join(", ", var.refs)} (GitHub: Settings, Environments), then write \"test_ref\": false."
  }
}
