"""Packs without their weights, for machines that the whole pack cannot be brought to: their speed is the same."""
