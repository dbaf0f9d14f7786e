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
            "ecr:DescribeImages",
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

run "a_prefix_with_one_id_only_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456/example-service"
  }

  expect_failures = [var.subject_prefix]
}

run "a_prefix_of_another_repository_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    subject_prefix = "repo:octo-org@123456/Example-Service@456789"
  }

  expect_failures = [var.subject_prefix]
}

run "a_repository_without_an_owner_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    github_repository = "example-service"
    subject_prefix    = "repo:example-service"
  }

  expect_failures = [var.github_repository]
}

run "any_ref_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    refs = ["refs/heads/main", "refs/tags/*"]
  }

  expect_failures = [var.refs]
}

run "no_ref_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    refs = []
  }

  expect_failures = [var.refs]
}

run "an_environment_with_a_wildcard_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    environment = "prod*"
  }

  expect_failures = [var.environment]
}

run "an_upper_case_registry_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    ecr_repository = "Example-Service"
  }

  expect_failures = [var.ecr_repository]
}

run "a_role_named_github_actions_is_refused" {
  command = plan

  module {
    source = "./repository"
  }

  variables {
    role_name = "GitHubActions"
  }

  expect_failures = [var.role_name]
}
