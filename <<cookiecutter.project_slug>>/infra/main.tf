data "aws_partition" "current" {}

module "repository" {
  source   = "./repository"
  for_each = var.repositories

  account = {
    id                = var.aws_account_id
    region            = var.aws_region
    partition         = data.aws_partition.current.partition
    oidc_provider_arn = local.oidc_provider_arn
    audience          = local.audience
  }
  github_repository          = each.value.github_repository
  subject_prefix             = each.value.subject_prefix
  refs                       = each.value.refs
  dangerously_trust_any_tag  = each.value.dangerously_trust_any_tag
  environment                = each.value.environment
  test_ref                   = each.value.test_ref
  test_ids                   = each.value.test_ids
  ecr_repository             = each.value.ecr_repository
  role_name                  = each.value.role_name
  role_path                  = var.role_path
  permissions_boundary       = var.permissions_boundary
  max_session_duration       = each.value.max_session_duration
  kms_key                    = var.kms_key
  force_delete               = each.value.force_delete
  pull_accounts              = each.value.pull_accounts
  expire_untagged_after_days = each.value.expire_untagged_after_days
  keep_newest_images         = each.value.keep_newest_images
}
