"""What a repository and its account are. It reads files, knows no rule, and uses no network."""
