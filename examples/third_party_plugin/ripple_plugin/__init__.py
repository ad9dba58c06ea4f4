"""An objective, a data set, an encoder and an augmentation for coral-multibench."""
