terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= << cookiecutter.__aws_provider >>"
    }
  }
}
