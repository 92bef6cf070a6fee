"""Dual LoRA Learning on a frozen base: consistency and detail stages in turn."""
