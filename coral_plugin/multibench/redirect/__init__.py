"""``--data``: what MultiBench's loaders read in place of the paths that scripts hold."""
