"""The networks: one folder per configuration, and what they share."""
