"""What is done once, at a desk: set up, look at, change and destroy what publishing needs."""
