"""The rooms: one network, one module; equations first, the estimator last."""
