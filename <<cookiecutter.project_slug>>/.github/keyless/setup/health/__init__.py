"""What doctor inspects: each function is one concern, and yields a line for each thing it finds."""
