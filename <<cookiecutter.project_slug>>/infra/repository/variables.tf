variable "account" {
  type = object({
    id                = string
    region            = string
    partition         = string
    oidc_provider_arn = string
    audience          = string
  })
  description = "What all repositories of the account share."
  nullable    = false

  validation {
    condition = lookup({
      aws        = "sts.amazonaws.com"
      aws-cn     = "sts.amazonaws.com.cn"
      aws-us-gov = "sts.amazonaws.com"
    }, var.account.partition, "none") == var.account.audience && startswith(var.account.oidc_provider_arn, "arn:${var.account.partition}:iam::${var.account.id}:oidc-provider/")
    error_message = "account names the partition \"${var.account.partition}\", the audience \"${var.account.audience}\" and the provider \"${var.account.oidc_provider_arn}\", which do not fit together, so no token would be accepted. Write for example \"aws\", \"sts.amazonaws.com\" and an ARN of this account."
  }
}

variable "github_repository" {
  type        = string
  description = "owner/name as GitHub shows it, case kept."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository \"${var.github_repository}\" is not owner/name, so no subject can be derived from it. Write it as GitHub shows it, for example \"octo-org/example-service\"."
  }
}

variable "subject_prefix" {
  type        = string
  description = "What GitHub puts before the context of the subject: repo:OWNER@ID/NAME@ID, or repo:OWNER/NAME for repositories from before 2026-07-15. null: not known yet."

  validation {
    condition     = var.subject_prefix != null
    error_message = "The subject that GitHub presents for ${var.github_repository} is not known yet, so no role can trust it. Ask GitHub and note the answer with \"make bootstrap\", or write it into infra/terraform.tfvars.json as this entry's subject_prefix yourself:\n\n  gh api repos/${var.github_repository}/actions/oidc/customization/sub --jq .sub_claim_prefix"
  }

  validation {
    condition = var.subject_prefix == null || (
      can(regex("^repo:[^@/:]+(/[^@/:]+|@[0-9]+/[^@/:]+@[0-9]+)$", var.subject_prefix)) &&
      replace(coalesce(var.subject_prefix, "-"), "/@[0-9]+/", "") == "repo:${var.github_repository}"
    )
    error_message = "subject_prefix \"${coalesce(var.subject_prefix, "-")}\" does not name ${var.github_repository} with both numeric ids or with neither, so no token of it can match. Write what GitHub answers, for example \"repo:octo-org@123456/example-service@456789\"."
  }
}

variable "refs" {
  type        = list(string)
  description = "The Git refs that may publish. A trailing * stands for any characters."
  nullable    = false

  validation {
    condition = length(var.refs) > 0 && alltrue([
      for ref in var.refs : can(regex("^refs/(heads|tags)/[^*?$[:space:][:cntrl:]]+[*]?$", ref)) || (ref == "refs/tags/*" && var.dangerously_trust_any_tag)
    ])
    error_message = "refs is ${jsonencode(var.refs)}: empty, or with something that is not refs/heads/NAME or refs/tags/NAME with at most a trailing * behind some text, so anybody's branch or tag might publish. Write for example [\"refs/tags/v*\"]; \"refs/tags/*\" needs \"dangerously_trust_any_tag\": true beside it."
  }
}

variable "dangerously_trust_any_tag" {
  type        = bool
  description = "true: refs may hold refs/tags/*, so whoever may push any tag may publish."
  default     = false
  nullable    = false
}

variable "environment" {
  type        = string
  description = "The GitHub environment of the publishing job. null: the job has none."
  default     = null

  validation {
    condition     = var.environment == null || can(regex("^[ -#&-)+->@-~\u00a1-\u00ff]{1,255}$", var.environment))
    error_message = "environment ${jsonencode(var.environment)} is empty, longer than 255 characters or holds a *, a ?, a $, a %, a line break or a character that IAM does not take, so it would not name one environment. Write for example \"production\", or null."
  }
}

variable "test_ref" {
  type        = bool
  description = "true: beside an environment, which takes the ref out of the subject, the claim ref is tested. Only in the commercial partition."
  default     = true
  nullable    = false
}

variable "test_ids" {
  type        = bool
  description = "true: the claims repository_owner_id and repository_id are tested beside the subject. Only in the commercial partition, and where the subject holds the ids."
  default     = false
  nullable    = false

  validation {
    condition     = !var.test_ids || (var.account.partition == "aws" && strcontains(coalesce(var.subject_prefix, "-"), "@"))
    error_message = "test_ids is true, and subject_prefix \"${coalesce(var.subject_prefix, "-")}\" holds no ids or the partition \"${var.account.partition}\" does not know their claims, so nobody could assume the role. Write false."
  }
}

variable "ecr_repository" {
  type        = string
  description = "The name of the repository in ECR."
  nullable    = false

  validation {
    condition     = length(var.ecr_repository) <= 256 && can(regex("^[a-z][a-z0-9]*((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$", var.ecr_repository)) && length(var.ecr_repository) >= 2
    error_message = "ecr_repository \"${var.ecr_repository}\" is no name that ECR accepts, so the registry could not be created. Write 2 to 256 lower-case characters, for example \"example-service\"."
  }
}

variable "role_name" {
  type        = string
  description = "The name of the role."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.role_name)) && var.role_name != "GitHubActions"
    error_message = "role_name \"${var.role_name}\" is not 1 to 64 letters, digits or _+=,.@-, or is GitHubActions, which is reported not to be assumable, so the workflow could not use it. Write for example \"example-service-push\"."
  }
}

variable "role_path" {
  type        = string
  description = "The path of the role, which stands in its ARN."
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9_+=,.@-]+/)*$", var.role_path)) && length(var.role_path) <= 512
    error_message = "role_path \"${var.role_path}\" does not begin and end with a /, has something else than letters, digits or _+=,.@- between, or more than 512 characters, so IAM refuses it. Write for example \"/github/\"."
  }
}

variable "permissions_boundary" {
  type        = string
  description = "The ARN of the policy that bounds what the role may do. null: none."
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:${var.account.partition}:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary \"${coalesce(var.permissions_boundary, "-")}\" is not the ARN of a policy in the partition ${var.account.partition}, so the role could not be made. Write for example \"arn:aws:iam::111122223333:policy/boundary\", or null."
  }
}

variable "max_session_duration" {
  type        = number
  description = "The seconds that a session of the role may last: 3600 to 43200. deploy.yml asks for role-duration-seconds."
  default     = 3600
  nullable    = false

  validation {
    condition     = var.max_session_duration >= 3600 && var.max_session_duration <= 43200 && floor(var.max_session_duration) == var.max_session_duration
    error_message = "max_session_duration ${var.max_session_duration} is not 3600 to 43200 whole seconds, so IAM refuses it. Write for example 7200."
  }
}

variable "kms_key" {
  type        = string
  description = "The ARN of the KMS key that encrypts the registry. null: AES256."
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:${var.account.partition}:kms:${var.account.region}:[0-9]{12}:key/.+$", var.kms_key))
    error_message = "kms_key \"${coalesce(var.kms_key, "-")}\" is not the ARN of a key in the region ${var.account.region}, so ECR could not use it. Write for example \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\", or null."
  }
}

variable "force_delete" {
  type        = bool
  description = "true: the registry may be destroyed with the images in it."
  default     = false
  nullable    = false
}

variable "pull_accounts" {
  type        = list(string)
  description = "Other AWS accounts that may pull the images."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for account in var.pull_accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "pull_accounts is ${jsonencode(var.pull_accounts)}, with something that is not 12 digits, so no account can be meant. Write for example [\"444455556666\"]."
  }
}

variable "expire_untagged_after_days" {
  type        = number
  description = "After how many days images without a tag expire. null: as lifecycle.json says."
  default     = null

  validation {
    condition     = var.expire_untagged_after_days == null || can(regex("^[1-9][0-9]{0,4}$", tostring(var.expire_untagged_after_days)))
    error_message = "expire_untagged_after_days ${jsonencode(var.expire_untagged_after_days)} is not a whole number of days, so ECR refuses the lifecycle policy. Write for example 7, or null."
  }
}

variable "keep_newest_images" {
  type        = number
  description = "How many of the newest images stay that a rule for tagged images in lifecycle.json counts. null: as it says."
  default     = null

  validation {
    condition     = var.keep_newest_images == null || can(regex("^[1-9][0-9]{0,4}$", tostring(var.keep_newest_images)))
    error_message = "keep_newest_images ${jsonencode(var.keep_newest_images)} is not a whole number of images, so ECR refuses the lifecycle policy. Write for example 500, or null."
  }
}
