"""How things run, no network named: steps, traces, the training loop, engines, progress."""
