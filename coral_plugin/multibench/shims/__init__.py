"""What today's stack lacks for MultiBench, one small repair each; ``coral doctor`` lists them."""
