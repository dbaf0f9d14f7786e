variable "account" {
  type = object({
    id                = string
    region            = string
    partition         = string
    oidc_provider_arn = string
    audience          = string
    # The path of the roles, the policy that limits them, and the KMS key of the ECR repositories.
    role_path            = optional(string, "/")
    permissions_boundary = optional(string)
    kms_key              = optional(string)
  })
  description = "What all repositories of the account share."
  nullable    = false

  validation {
    condition = lookup({
      aws        = "sts.amazonaws.com"
      aws-cn     = "sts.amazonaws.com.cn"
      aws-us-gov = "sts.amazonaws.com"
    }, var.account.partition, "none") == var.account.audience && startswith(var.account.oidc_provider_arn, "arn:${var.account.partition}:iam::${var.account.id}:oidc-provider/")
    error_message = "In account, the partition \"${var.account.partition}\", the audience \"${var.account.audience}\" and the provider \"${var.account.oidc_provider_arn}\" do not fit together, so no token would be accepted. Write for example \"aws\", \"sts.amazonaws.com\" and an ARN of this account."
  }

  validation {
    condition     = can(regex("^/([A-Za-z0-9_+=,.@-]+/)*$", var.account.role_path)) && length(var.account.role_path) <= 512
    error_message = "role_path \"${var.account.role_path}\" is not a path of IAM. It must begin and end with /, have only letters, digits and _+=,.@- between, and at most 512 characters. Write for example \"/github/\"."
  }

  validation {
    condition     = var.account.permissions_boundary == null || can(regex("^arn:${var.account.partition}:iam::([0-9]{12}|aws):policy/.+$", var.account.permissions_boundary))
    error_message = "permissions_boundary \"${coalesce(var.account.permissions_boundary, "-")}\" is not the ARN of a policy in the partition ${var.account.partition}, so the role could not be created. Write for example \"arn:aws:iam::111122223333:policy/boundary\", or null."
  }

  validation {
    condition     = var.account.kms_key == null || can(regex("^arn:${var.account.partition}:kms:${var.account.region}:[0-9]{12}:key/.+$", var.account.kms_key))
    error_message = "kms_key \"${coalesce(var.account.kms_key, "-")}\" is not the ARN of a key in the region ${var.account.region}, so ECR could not use it. Write for example \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\", or null."
  }
}

variable "entry" {
  type = object({
    # owner/name as GitHub shows it, case kept.
    github_repository = string
    # How the subject begins: repo:OWNER@ID/NAME@ID, or repo:OWNER/NAME for repositories from before 2026-07-15. null: not known yet.
    subject_prefix = optional(string)
    # The Git refs that can publish. A trailing * stands for any characters.
    refs = list(string)
    # true: refs may contain refs/tags/*, so anyone who can push any tag can publish.
    dangerously_trust_any_tag = optional(bool, false)
    # The GitHub environment of the publishing job. null: the job has none.
    environment = optional(string)
    # true: with an environment, the subject has no ref, so the role tests the claim ref, too. Only in the commercial partition.
    test_ref = optional(bool, true)
    # true: the role also tests the claims repository_owner_id and repository_id. Only in the commercial partition, and only if the subject has the ids.
    test_ids = optional(bool, false)
    # The reusable workflow, at its ref: only its jobs can assume the role. null: jobs of any workflow can. Only in the commercial partition.
    job_workflow_ref = optional(string)
    # The name of the ECR repository.
    ecr_repository = string
    # The name of the role.
    role_name = string
    # How many seconds a session of the role can last: 3600 to 43200. deploy.yml asks for role-duration-seconds.
    max_session_duration = optional(number, 3600)
    # true: Terraform may delete the ECR repository together with its images.
    force_delete = optional(bool, false)
    # Other AWS accounts that can pull the images.
    pull_accounts = optional(list(string), [])
    # After how many days images without a tag expire. null: as lifecycle.json says.
    expire_untagged_after_days = optional(number)
    # How many of the newest images a rule for tagged images in lifecycle.json keeps. null: as lifecycle.json says.
    keep_newest_images = optional(number)
  })
  description = "An entry of `repositories`: what one GitHub repository can publish."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+$", var.entry.github_repository))
    error_message = "github_repository ${jsonencode(var.entry.github_repository)} is not owner/name, so no subject can be derived from it. Write it as GitHub shows it, for example \"octo-org/example-service\"."
  }

  validation {
    condition     = var.entry.subject_prefix != null
    error_message = "The subject that GitHub presents for ${coalesce(var.entry.github_repository, "-")} is not known yet, so no role can trust it. Run \"make bootstrap\", which asks GitHub and records the answer. Or write what this command prints into infra/terraform.tfvars.json, as subject_prefix of this entry:\n\n  gh api repos/${coalesce(var.entry.github_repository, "-")}/actions/oidc/customization/sub --jq .sub_claim_prefix"
  }

  validation {
    condition = var.entry.subject_prefix == null || (
      can(regex("^repo:[^@/:]+(/[^@/:]+|@[0-9]+/[^@/:]+@[0-9]+)$", var.entry.subject_prefix)) &&
      replace(coalesce(var.entry.subject_prefix, "-"), "/@[0-9]+/", "") == format("repo:%v", var.entry.github_repository)
    )
    error_message = "subject_prefix ${jsonencode(var.entry.subject_prefix)} does not name ${coalesce(var.entry.github_repository, "-")} with both numeric ids or with neither, so no token can match it. Write what GitHub answers, for example \"repo:octo-org@123456/example-service@456789\"."
  }

  validation {
    condition = try(length(var.entry.refs) > 0 && alltrue([
      for ref in var.entry.refs : can(regex("^refs/(heads|tags)/[^*?$[:space:][:cntrl:]]+[*]?$", ref)) || (ref == "refs/tags/*" && var.entry.dangerously_trust_any_tag)
    ]), false)
    error_message = "refs ${jsonencode(var.entry.refs)} is empty or has something else than refs/heads/NAME or refs/tags/NAME, so anybody's branch or tag might publish. A * can only be the last character, after some text. Write for example [\"refs/tags/v*\"]. For \"refs/tags/*\", also write \"dangerously_trust_any_tag\": true."
  }

  validation {
    condition     = var.entry.environment == null || can(regex("^[ -#&-)+->@-~\u00a1-\u00ff]{1,255}$", var.entry.environment))
    error_message = "environment ${jsonencode(var.entry.environment)} is not the name of one environment. A name has 1 to 255 characters that IAM accepts, without *, ?, $, % or a line break. Write for example \"production\", or null."
  }

  validation {
    condition     = !var.entry.test_ids || (var.account.partition == "aws" && strcontains(coalesce(var.entry.subject_prefix, "-"), "@"))
    error_message = "test_ids is true, but subject_prefix ${jsonencode(var.entry.subject_prefix)} has no ids or the partition \"${var.account.partition}\" does not know their claims. So nobody could assume the role. Write false."
  }

  validation {
    condition     = var.entry.job_workflow_ref == null || (var.account.partition == "aws" && can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/\\.github/workflows/[A-Za-z0-9_.-]+\\.ya?ml@(refs/(heads|tags)/[^[:space:]*?$]+|[0-9a-f]{40})$", var.entry.job_workflow_ref)))
    error_message = "job_workflow_ref ${jsonencode(var.entry.job_workflow_ref)} is not a workflow at a ref or commit, or the partition \"${var.account.partition}\" does not know its claim. So nobody could assume the role. Write for example \"octo-org/platform/.github/workflows/publish-image.yml@refs/tags/v1\", or null."
  }

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$", var.entry.ecr_repository)) && try(length(var.entry.ecr_repository) >= 2 && length(var.entry.ecr_repository) <= 256, false)
    error_message = "ecr_repository ${jsonencode(var.entry.ecr_repository)} is not a valid ECR repository name, so the repository could not be created. Write 2 to 256 lower-case characters, for example \"example-service\"."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.entry.role_name)) && var.entry.role_name != "GitHubActions"
    error_message = "role_name ${jsonencode(var.entry.role_name)} is not 1 to 64 letters, digits or _+=,.@-, or it is GitHubActions, which users report as impossible to assume. So the workflow could not use it. Write for example \"example-service-push\"."
  }

  validation {
    condition     = var.entry.max_session_duration >= 3600 && var.entry.max_session_duration <= 43200 && floor(var.entry.max_session_duration) == var.entry.max_session_duration
    error_message = "max_session_duration ${var.entry.max_session_duration} is not 3600 to 43200 whole seconds, so IAM refuses it. Write for example 7200."
  }

  validation {
    condition     = alltrue([for account in var.entry.pull_accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "pull_accounts ${jsonencode(var.entry.pull_accounts)} has something that is not 12 digits, so it names no account. Write for example [\"444455556666\"]."
  }

  validation {
    condition     = var.entry.expire_untagged_after_days == null || can(regex("^[1-9][0-9]{0,4}$", tostring(var.entry.expire_untagged_after_days)))
    error_message = "expire_untagged_after_days ${jsonencode(var.entry.expire_untagged_after_days)} is not a whole number of days, so ECR refuses the lifecycle policy. Write for example 7, or null."
  }

  validation {
    condition     = var.entry.keep_newest_images == null || can(regex("^[1-9][0-9]{0,4}$", tostring(var.entry.keep_newest_images)))
    error_message = "keep_newest_images ${jsonencode(var.entry.keep_newest_images)} is not a whole number of images, so ECR refuses the lifecycle policy. Write for example 500, or null."
  }
}
