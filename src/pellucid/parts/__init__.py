"""The vocabulary, one word a file: activations, losses, optimizers, schedules, layers, parameters."""
