# The module alone, planned without a call to AWS. test_infra.py copies this into a generated infra/.

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
  entry = {
    github_repository = "octo-org/example-service"
    subject_prefix    = "repo:octo-org@123456/example-service@456789"
    refs              = ["refs/tags/v*"]
    ecr_repository    = "example-service"
    role_name         = "example-service-push"
  }
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
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/heads/main"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
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
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org/example-service"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
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
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      environment       = "eu: production"
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
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
    condition     = aws_ecr_repository.image.image_tag_mutability == "IMMUTABLE"
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
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      environment       = "production"
      test_ref          = false
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
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
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      test_ids          = true
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
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

run "one_workflow_alone_may_assume_the_role_where_it_is_named" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      job_workflow_ref  = "octo-org/platform/.github/workflows/publish-image.yml@refs/tags/v1"
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  assert {
    condition = jsondecode(aws_iam_role.push.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud"              = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:job_workflow_ref" = "octo-org/platform/.github/workflows/publish-image.yml@refs/tags/v1"
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
    entry = {
      github_repository         = "octo-org/example-service"
      subject_prefix            = "repo:octo-org@123456/example-service@456789"
      refs                      = ["refs/tags/*"]
      dangerously_trust_any_tag = true
      ecr_repository            = "example-service"
      role_name                 = "example-service-push"
    }
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
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      environment       = "production"
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [check.ref_is_tested_beside_the_environment]
}

run "ten_refs_fit_into_a_trust_policy" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
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
      ecr_repository = "example-service"
      role_name      = "example-service-push"
    }
  }

  assert {
    condition     = length(replace(aws_iam_role.push.assume_role_policy, "/\\s/", "")) <= 2048 && length(output.allowed_subjects) == 10
    error_message = "The trust policy is longer than IAM takes."
  }
}

run "what_nobody_was_asked_reaches_role_and_registry" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    account = {
      id                   = "111122223333"
      region               = "us-east-1"
      partition            = "aws"
      oidc_provider_arn    = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience             = "sts.amazonaws.com"
      role_path            = "/github/publish/"
      permissions_boundary = "arn:aws:iam::111122223333:policy/boundary"
      kms_key              = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    }
    entry = {
      github_repository          = "octo-org/example-service"
      subject_prefix             = "repo:octo-org@123456/example-service@456789"
      refs                       = ["refs/tags/v*"]
      ecr_repository             = "example-service"
      role_name                  = "example-service-push"
      max_session_duration       = 7200
      force_delete               = true
      pull_accounts              = ["444455556666", "777788889999"]
      expire_untagged_after_days = 30
      keep_newest_images         = 500
    }
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
