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
        Sid      = "Service"
        Effect   = "Allow"
        Action   = ["ecs:UpdateExpressGatewayService", "ecs:ListServiceDeployments", "ecs:DescribeServices", "ecs:DescribeExpressGatewayService", "ecs:CreateExpressGatewayService"]
        Resource = "arn:aws:ecs:us-east-1:111122223333:service/${local.service.name}/${local.service.name}"
      },
      {
        Sid    = "Deployments"
        Effect = "Allow"
        Action = "ecs:DescribeServiceDeployments"
        Resource = [
          "arn:aws:ecs:us-east-1:111122223333:service/${local.service.name}/${local.service.name}",
          "arn:aws:ecs:us-east-1:111122223333:service-deployment/${local.service.name}/${local.service.name}/*",
        ]
      },
      {
        Sid      = "TaskDefinition"
        Effect   = "Allow"
        Action   = "ecs:RegisterTaskDefinition"
        Resource = "arn:aws:ecs:us-east-1:111122223333:task-definition/${local.service.name}-${local.service.name}:*"
      },
      {
        Sid    = "PassRoles"
        Effect = "Allow"
        Action = "iam:PassRole"
        Resource = [
          "arn:aws:iam::111122223333:role/${local.service.name}-task",
          "arn:aws:iam::111122223333:role/${local.service.name}-infrastructure",
          "arn:aws:iam::111122223333:role/${local.service.name}-execution",
        ]
        Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] } }
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
    condition     = [for role in aws_iam_role.task : jsondecode(role.assume_role_policy).Statement[0].Principal] == [{ Service = "ecs-tasks.amazonaws.com" }]
    error_message = "Somebody else may do what the application may."
  }

  assert {
    condition     = [for role in aws_iam_role.execution : jsondecode(role.assume_role_policy).Statement[0].Principal] == [{ Service = "ecs-tasks.amazonaws.com" }]
    error_message = "Somebody else may start containers as the execution role."
  }

  assert {
    condition     = [for role in aws_iam_role.infrastructure : jsondecode(role.assume_role_policy).Statement[0].Principal] == [{ Service = "ecs.amazonaws.com" }]
    error_message = "Somebody else may assume the infrastructure role."
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
      for role in concat(values(aws_iam_role.execution), values(aws_iam_role.infrastructure), values(aws_iam_role.task)) :
      role.path == "/github/" && role.permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    ])
    error_message = "A role has another path or another boundary."
  }

  assert {
    condition     = contains(jsondecode(data.aws_iam_policy_document.deploy.json).Statement[3].Resource, "arn:aws:iam::111122223333:role/github/${local.service.name}-execution")
    error_message = "The role that is passed on has another path."
  }
}

run "a_state_without_its_entry_makes_nothing_of_the_service" {
  command = plan

  variables {
    repositories = {}
  }

  assert {
    condition     = length(aws_iam_role.execution) + length(aws_iam_role.task) + length(aws_iam_role_policy.deploy) + length(aws_ecs_cluster.service) == 0
    error_message = "Two states make the same service."
  }
}
