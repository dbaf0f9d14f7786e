output "role_arn" {
  description = "The role that the workflow assumes."
  value       = aws_iam_role.push.arn
}

output "repository_url" {
  description = "The registry's host and the repository's name: what an image name begins with."
  value       = aws_ecr_repository.image.repository_url
}

output "allowed_subjects" {
  description = "The subjects that the role trusts."
  value       = local.subjects
}
