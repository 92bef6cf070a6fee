"""Blind pairwise studies (the paper's Figure 5): people choose between two restored clips, and packs get scores."""
