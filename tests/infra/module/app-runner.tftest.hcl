# The roles of the service, planned without a call to AWS. test_infra.py copies this into a generated infra/.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "not-a-key"
  secret_key                  = "not-a-key"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  aws_account_id       = "111122223333"
  aws_region           = "us-east-1"
  create_oidc_provider = true
  repositories = {
    "example-service" = { # as service.json has it
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }
}

run "the_deploy_role_may_create_update_and_look_at_this_service_alone" {
  command = plan

  assert {
    condition = jsondecode(data.aws_iam_policy_document.deploy.json).Statement == [
      {
        Sid      = "Find"
        Effect   = "Allow"
        Action   = "apprunner:ListServices"
        Resource = "*"
      },
      {
        Sid    = "Deploy"
        Effect = "Allow"
        Action = ["apprunner:UpdateService", "apprunner:CreateService"]
        Resource = [
          "arn:aws:apprunner:us-east-1:111122223333:service/${local.service.name}/*",
          "arn:aws:apprunner:us-east-1:111122223333:autoscalingconfiguration/instances-*",
        ]
      },
      {
        Sid      = "Look"
        Effect   = "Allow"
        Action   = ["apprunner:ListOperations", "apprunner:DescribeService"]
        Resource = "arn:aws:apprunner:us-east-1:111122223333:service/${local.service.name}/*"
      },
      {
        Sid      = "Scaling"
        Effect   = "Allow"
        Action   = ["apprunner:DescribeAutoScalingConfiguration", "apprunner:CreateAutoScalingConfiguration"]
        Resource = "arn:aws:apprunner:us-east-1:111122223333:autoscalingconfiguration/instances-*"
      },
      {
        Sid      = "Events"
        Effect   = "Allow"
        Action   = "logs:FilterLogEvents"
        Resource = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/apprunner/${local.service.name}/*"
      },
      {
        Sid    = "PassRoles"
        Effect = "Allow"
        Action = "iam:PassRole"
        Resource = [
          "arn:aws:iam::111122223333:role/${local.service.name}-instance",
          "arn:aws:iam::111122223333:role/${local.service.name}-access",
        ]
        Condition = { StringEquals = { "iam:PassedToService" = ["apprunner.amazonaws.com", "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"] } }
      },
    ]
    error_message = "The deploy role may do something else: ${data.aws_iam_policy_document.deploy.json}"
  }

  assert {
    condition     = [for policy in aws_iam_role_policy.deploy : policy.role] == ["example-service-push"]
    error_message = "Another role may deploy."
  }
}

run "each_role_is_assumed_by_its_one_service_of_aws" {
  command = plan

  assert {
    condition     = [for role in aws_iam_role.access : jsondecode(role.assume_role_policy).Statement[0].Principal] == [{ Service = "build.apprunner.amazonaws.com" }]
    error_message = "Somebody else may pull as the access role."
  }

  assert {
    condition     = [for role in aws_iam_role.instance : jsondecode(role.assume_role_policy).Statement[0].Principal] == [{ Service = "tasks.apprunner.amazonaws.com" }]
    error_message = "Somebody else may read what the instances read."
  }
}

run "a_path_and_a_boundary_are_those_of_the_other_roles" {
  command = plan

  variables {
    role_path            = "/github/"
    permissions_boundary = "arn:aws:iam::111122223333:policy/boundary"
  }

  assert {
    condition = alltrue([
      for role in concat(values(aws_iam_role.access), values(aws_iam_role.instance)) :
      role.path == "/github/" && role.permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    ])
    error_message = "A role has another path or another boundary."
  }

  assert {
    condition     = contains(jsondecode(data.aws_iam_policy_document.deploy.json).Statement[5].Resource, "arn:aws:iam::111122223333:role/github/${local.service.name}-instance")
    error_message = "The role that is passed on has another path."
  }
}

run "a_state_without_its_entry_makes_nothing_of_the_service" {
  command = plan

  variables {
    repositories = {}
  }

  assert {
    condition     = length(aws_iam_role.access) + length(aws_iam_role.instance) + length(aws_iam_role_policy.deploy) == 0
    error_message = "Two states make the same service."
  }
}
