"""Training data: sources of clean clips, their degradation, and the batches made of both."""
