"""An objective, a data set and an encoder for coral-multibench."""
