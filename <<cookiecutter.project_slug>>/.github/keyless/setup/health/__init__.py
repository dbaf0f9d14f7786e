"""What doctor looks at: each function is one concern, and yields a line for what it has found."""
