"""What a base makes of undegraded pictures: the target that branches are taught beside the truth."""
