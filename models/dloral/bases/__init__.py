"""Public restorers of one picture, whose weights are the prior that branches are trained on."""
