"""A plan without AWS: what Terraform makes of infra/, without credentials."""
