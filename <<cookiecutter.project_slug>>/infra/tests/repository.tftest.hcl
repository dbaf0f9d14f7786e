# The module alone, planned without a call to AWS. Run with: terraform test

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "not-a-key"
  secret_key                  = "not-a-key"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  account = {
    id                = "111122223333"
    region            = "us-east-1"
    partition         = "aws"
    oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    audience          = "sts.amazonaws.com"
  }
  github_repository = "octo-org/example-service"
  subject_prefix    = "repo:octo-org@123456/example-service@456789"
  refs              = ["refs/tags/v*"]
  environment       = null
  ecr_repository    = "example-service"
  role_name         = "example-service-push"
}

run "tags_with_a_wildcard_are_compared_with_string_like" {
  command = plan

  module {
    source = "./repository"
  }

  assert {
    condition = jsondecode(aws_iam_role.push.assume_role_policy) == {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Action    = "sts:AssumeRoleWithWebIdentity"
        Principal = { Federated = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
        Condition = {
          StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
          StringLike   = { "token.actions.githubusercontent.com:sub" = "repo:octo-org@123456/example-service@456789:ref:refs/tags/v*" }
        }
      }]
    }
    error_message = "The trust policy is another one: ${aws_iam_role.push.assume_role_policy}"
  }

  assert {
    condition     = output.allowed_subjects == ["repo:octo-org@123456/example-service@456789:ref:refs/tags/v*"]
    error_message = "The subjects are others: ${jsonencode(output.allowed_subjects)}"
  }

  assert {
    condition     = aws_iam_role.push.max_session_duration == 3600
    error_message = "A session lasts longer than an hour."
  }
}

run "a_branch_is_compared_with_string_equals" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    refs = ["refs/heads/main"]
  }

  assert {
    condition = jsondecode(aws_iam_role.push.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:octo-org@123456/example-service@456789:ref:refs/heads/main"
      }
    }
    error_message = "The conditions are others: ${aws_iam_role.push.assume_role_policy}"
  }
}

run "an_older_repository_has_a_subject_without_ids" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org/example-service"
  }

  assert {
    condition     = output.allowed_subjects == ["repo:octo-org/example-service:ref:refs/tags/v*"]
    error_message = "The subjects are others: ${jsonencode(output.allowed_subjects)}"
  }
}

run "an_environment_replaces_the_ref_in_the_subject_and_the_ref_is_tested_beside_it" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    environment = "eu: production"
  }

  assert {
    condition = jsondecode(aws_iam_role.push.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:octo-org@123456/example-service@456789:environment:eu%3A production"
      }
      StringLike = { "token.actions.githubusercontent.com:ref" = "refs/tags/v*" }
    }
    error_message = "The conditions are others: ${aws_iam_role.push.assume_role_policy}"
  }
}

run "the_role_may_push_to_its_own_repository_and_do_nothing_else" {
  command = plan

  module {
    source = "./repository"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.push.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "LogIn"
          Effect   = "Allow"
          Action   = "ecr:GetAuthorizationToken"
          Resource = "*"
        },
        {
          Sid    = "Push"
          Effect = "Allow"
          Action = [
            "ecr:UploadLayerPart",
            "ecr:PutImage",
            "ecr:InitiateLayerUpload",
            "ecr:GetDownloadUrlForLayer",
            "ecr:CompleteLayerUpload",
            "ecr:BatchGetImage",
            "ecr:BatchCheckLayerAvailability",
          ]
          Resource = "arn:aws:ecr:us-east-1:111122223333:repository/example-service"
        },
      ]
    }
    error_message = "The push policy is another one: ${aws_iam_role_policy.push.policy}"
  }

  assert {
    condition     = aws_ecr_repository.image.image_tag_mutability == "<< cookiecutter.__tag_mutability >>"
    error_message = "Tags of the registry can be moved."
  }

  assert {
    condition     = aws_ecr_repository.image.image_scanning_configuration[0].scan_on_push
    error_message = "Images are not scanned when they are pushed."
  }
}

run "the_ref_is_not_tested_beside_an_environment_where_that_is_switched_off" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    environment = "production"
    test_ref    = false
  }

  assert {
    condition = jsondecode(aws_iam_role.push.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:octo-org@123456/example-service@456789:environment:production"
      }
    }
    error_message = "The conditions are others: ${aws_iam_role.push.assume_role_policy}"
  }
}

run "the_ids_are_tested_beside_the_subject_where_that_is_switched_on" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    test_ids = true
  }

  assert {
    condition = jsondecode(aws_iam_role.push.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud"                 = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:repository_id"       = "456789"
        "token.actions.githubusercontent.com:repository_owner_id" = "123456"
      }
      StringLike = { "token.actions.githubusercontent.com:sub" = "repo:octo-org@123456/example-service@456789:ref:refs/tags/v*" }
    }
    error_message = "The conditions are others: ${aws_iam_role.push.assume_role_policy}"
  }
}

run "any_tag_is_trusted_where_that_is_switched_on" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    refs                      = ["refs/tags/*"]
    dangerously_trust_any_tag = true
  }

  assert {
    condition     = output.allowed_subjects == ["repo:octo-org@123456/example-service@456789:ref:refs/tags/*"]
    error_message = "The subjects are others: ${jsonencode(output.allowed_subjects)}"
  }
}

run "in_china_the_ref_cannot_be_tested_and_the_plan_says_so" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "cn-north-1"
      partition         = "aws-cn"
      oidc_provider_arn = "arn:aws-cn:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com.cn"
    }
    environment = "production"
  }

  expect_failures = [check.ref_is_tested_beside_the_environment]
}

run "ten_refs_fit_into_a_trust_policy" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    refs = [ # written out: OpenTofu allows no functions here
      "refs/heads/release/2026.0",
      "refs/heads/release/2026.1",
      "refs/heads/release/2026.2",
      "refs/heads/release/2026.3",
      "refs/heads/release/2026.4",
      "refs/heads/release/2026.5",
      "refs/heads/release/2026.6",
      "refs/heads/release/2026.7",
      "refs/heads/release/2026.8",
      "refs/heads/release/2026.9",
    ]
  }

  assert {
    condition     = length(replace(aws_iam_role.push.assume_role_policy, "/\\s/", "")) <= 2048 && length(output.allowed_subjects) == 10
    error_message = "The trust policy is longer than IAM takes."
  }
}

run "without_the_prefix_that_github_reports_nothing_is_planned" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = null
  }

  expect_failures = [var.subject_prefix]
}

run "a_prefix_with_the_owners_id_alone_is_refused_and_so_is_every_branch" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456/example-service"
    refs           = ["refs/heads/*"]
  }

  expect_failures = [var.subject_prefix, var.refs]
}

run "a_prefix_with_the_repositorys_id_alone_is_refused_and_so_is_every_tag_that_nobody_asked_for" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org/example-service@456789"
    refs           = ["refs/heads/main", "refs/tags/*"]
  }

  expect_failures = [var.subject_prefix, var.refs]
}

run "a_prefix_of_another_owner_is_refused_and_so_is_a_pull_request" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org-2@123456/example-service@456789"
    refs           = ["refs/pull/1/merge"]
  }

  expect_failures = [var.subject_prefix, var.refs]
}

run "a_prefix_of_another_repository_is_refused_and_so_is_a_ref_without_refs" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456/example-service-2@456789"
    refs           = ["main"]
  }

  expect_failures = [var.subject_prefix, var.refs]
}

run "a_prefix_in_another_case_is_refused_and_so_is_no_ref" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456/Example-Service@456789"
    refs           = []
  }

  expect_failures = [var.subject_prefix, var.refs]
}

run "a_second_at_sign_is_refused_and_so_are_two_wildcards" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456@1/example-service@456789"
    refs           = ["refs/tags/v**"]
  }

  expect_failures = [var.subject_prefix, var.refs]
}

run "a_wildcard_is_refused_in_prefix_ref_and_environment" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@*/example-service@*"
    refs           = ["refs/*"]
    environment    = "prod*"
  }

  expect_failures = [var.subject_prefix, var.refs, var.environment]
}

run "a_question_mark_is_refused_in_prefix_ref_and_environment" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@12345?/example-service@456789"
    refs           = ["refs/tags/v?"]
    environment    = "prod?"
  }

  expect_failures = [var.subject_prefix, var.refs, var.environment]
}

run "a_policy_variable_is_refused_in_prefix_ref_and_environment" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456/$${aws:userid}@456789"
    refs           = ["refs/tags/$${aws:userid}"]
    environment    = "$${aws:userid}"
  }

  expect_failures = [var.subject_prefix, var.refs, var.environment]
}

run "white_space_is_refused_in_prefix_and_ref_and_a_line_break_in_an_environment" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456/example-service@456789 "
    refs           = ["refs/tags/v 1"]
    environment    = "prod\nuction"
  }

  expect_failures = [var.subject_prefix, var.refs, var.environment]
}

run "any_branch_is_refused_also_where_any_tag_is_trusted_and_an_environment_has_a_name" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    refs                      = ["refs/heads/*"]
    dangerously_trust_any_tag = true
    environment               = ""
  }

  expect_failures = [var.refs, var.environment]
}

run "ids_that_the_subject_does_not_hold_are_not_tested" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org/example-service"
    test_ids       = true
  }

  expect_failures = [var.test_ids]
}

run "ids_are_not_tested_where_their_claims_are_not_known" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "us-gov-west-1"
      partition         = "aws-us-gov"
      oidc_provider_arn = "arn:aws-us-gov:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com"
    }
    test_ids = true
  }

  expect_failures = [var.test_ids]
}

run "the_audience_of_another_partition_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "cn-north-1"
      partition         = "aws-cn"
      oidc_provider_arn = "arn:aws-cn:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com"
    }
  }

  expect_failures = [var.account]
}

run "a_repository_without_an_owner_an_upper_case_registry_and_a_role_named_github_actions_are_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    github_repository = "example-service"
    subject_prefix    = "repo:example-service"
    ecr_repository    = "Example-Service"
    role_name         = "GitHubActions"
  }

  expect_failures = [var.github_repository, var.ecr_repository, var.role_name]
}

run "what_nobody_was_asked_reaches_role_and_registry" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    role_path                  = "/github/publish/"
    permissions_boundary       = "arn:aws:iam::111122223333:policy/boundary"
    max_session_duration       = 7200
    kms_key                    = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    force_delete               = true
    pull_accounts              = ["444455556666", "777788889999"]
    expire_untagged_after_days = 30
    keep_newest_images         = 500
  }

  assert {
    condition     = aws_iam_role.push.path == "/github/publish/" && aws_iam_role.push.permissions_boundary == "arn:aws:iam::111122223333:policy/boundary" && aws_iam_role.push.max_session_duration == 7200
    error_message = "The role is another one."
  }

  assert {
    condition     = aws_ecr_repository.image.encryption_configuration[0].encryption_type == "KMS" && endswith(aws_ecr_repository.image.encryption_configuration[0].kms_key, "1234567890ab") && aws_ecr_repository.image.force_delete
    error_message = "The registry is another one."
  }

  assert {
    condition = jsondecode(aws_ecr_repository_policy.pull[0].policy).Statement == [{
      Sid       = "Pull"
      Effect    = "Allow"
      Principal = { AWS = ["arn:aws:iam::777788889999:root", "arn:aws:iam::444455556666:root"] }
      Action    = ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"]
    }]
    error_message = "Others may do something else than pull: ${aws_ecr_repository_policy.pull[0].policy}"
  }

  assert {
    condition = alltrue([
      for rule in jsondecode(aws_ecr_lifecycle_policy.image.policy).rules :
      rule.selection.countNumber == (rule.selection.tagStatus == "untagged" ? 30 : 500)
    ])
    error_message = "The lifecycle policy counts otherwise: ${aws_ecr_lifecycle_policy.image.policy}"
  }
}

run "without_them_the_defaults_hold_and_nobody_else_may_pull" {
  command = plan

  module {
    source = "./repository"
  }

  assert {
    condition     = aws_iam_role.push.path == "/" && aws_iam_role.push.permissions_boundary == null && aws_iam_role.push.max_session_duration == 3600
    error_message = "The role is another one."
  }

  assert {
    condition     = aws_ecr_repository.image.encryption_configuration[0].encryption_type == "AES256" && !aws_ecr_repository.image.force_delete && length(aws_ecr_repository_policy.pull) == 0
    error_message = "The registry is another one."
  }

  assert {
    condition = alltrue([
      for rule in jsondecode(aws_ecr_lifecycle_policy.image.policy).rules :
      rule.selection.countNumber == (rule.selection.tagStatus == "untagged" ? 7 : 100)
    ])
    error_message = "The lifecycle policy counts otherwise: ${aws_ecr_lifecycle_policy.image.policy}"
  }
}

run "what_aws_would_refuse_is_refused_before" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    role_path                  = "github/"
    permissions_boundary       = "arn:aws-cn:iam::111122223333:policy/boundary"
    max_session_duration       = 1800
    kms_key                    = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    pull_accounts              = ["4444-5555-6666"]
    expire_untagged_after_days = 0
    keep_newest_images         = 1.5
  }

  expect_failures = [var.role_path, var.permissions_boundary, var.max_session_duration, var.kms_key, var.pull_accounts, var.expire_untagged_after_days, var.keep_newest_images]
}
