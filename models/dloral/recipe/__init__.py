"""Recipes: the commands that make a pack from scratch, in one file, run one after the other and resumable."""
