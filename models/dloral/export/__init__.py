"""Export: from a checkpoint to a model pack."""
