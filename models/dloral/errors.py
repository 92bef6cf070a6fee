"""Errors that users read."""


class UserError(Exception):
    """Something that the user can put right; its message says what happened, where, and what to do next."""
