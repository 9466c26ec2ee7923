"""Training of torch modules: the loop, which knows no network."""
