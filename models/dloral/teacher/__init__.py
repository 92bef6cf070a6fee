"""A teacher: a base's output for undegraded pictures, which branches are trained on beside the truth."""
