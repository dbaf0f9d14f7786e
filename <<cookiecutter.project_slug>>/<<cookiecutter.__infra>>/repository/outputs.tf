output "role_arn" {
  description = "The role that the workflow assumes."
  value       = aws_iam_role.push.arn
}

output "repository_url" {
  description = "The host of the registry and the name of the ECR repository: each image name begins with these."
  value       = aws_ecr_repository.image.repository_url
}

output "allowed_subjects" {
  description = "The subjects that the role trusts."
  value       = local.subjects
}
