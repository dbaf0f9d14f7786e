# Values stand in terraform.tfvars.json, which Terraform reads by itself.

variable "aws_account_id" {
  type        = string
  description = "The AWS account that holds the provider, the roles and the registries."
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "aws_account_id is not 12 digits, so no account can be meant. Write it as text, for example \"111122223333\"."
  }
}

variable "aws_region" {
  type        = string
  description = "The region of the registries. Roles and the provider are global."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-gov)?-[a-z]+-[0-9]+$", var.aws_region))
    error_message = "aws_region is not the code of a region, so there is no endpoint to call. Write for example \"us-east-1\"."
  }
}

variable "create_oidc_provider" {
  type        = bool
  description = "true: GitHub's OIDC identity provider is created here. false: the account has it already, and it is looked up."
  nullable    = false
}

variable "repositories" {
  type = map(object({
    github_repository         = string
    subject_prefix            = optional(string)
    refs                      = list(string)
    dangerously_trust_any_tag = optional(bool, false)
    environment               = optional(string)
    test_ref                  = optional(bool, true)
    test_ids                  = optional(bool, false)
    ecr_repository            = string
    role_name                 = string
  }))
  description = "What each GitHub repository may publish. The key never changes, also when the repository is renamed; the values are described in repository/variables.tf."
  nullable    = false

  validation {
    condition = alltrue([
      for attribute in ["role_name", "ecr_repository"] :
      length(distinct([for entry in values(var.repositories) : lower(entry[attribute])])) == length(var.repositories)
    ])
    error_message = "Two entries of repositories share a role_name or an ecr_repository, so one could publish as the other. Give each entry its own, for example \"example-service-push\"."
  }
}
