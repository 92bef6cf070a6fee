"""Measuring packs and other upscalers on clips with ground truth."""
