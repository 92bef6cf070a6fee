"""Training: configuration, losses, the loop and its checkpoints."""
