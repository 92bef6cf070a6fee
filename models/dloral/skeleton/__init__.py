"""Packs without their weights, to measure speed on machines to which the whole pack cannot be copied."""
