"""A search over many machines: scikit-learn's own, on joblib's Dask backend, here on a cluster of two processes."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from pellucid import MLPClassifier

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # Dask's own, about ports, forks and pandas
    pytest.mark.filterwarnings("ignore:training stopped after max_iter"),
]


def test_a_grid_search_on_a_dask_cluster_finds_what_it_finds_here():
    distributed = pytest.importorskip("distributed")
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    network = MLPClassifier((20,), engine="reference", max_iter=15, random_state=0)
    search = GridSearchCV(network, {"learning_rate_init": [1e-4, 1e-2]}, cv=2)
    here = search.fit(X, y).cv_results_["mean_test_score"]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        there = search.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(there, here)
    assert search.best_params_ == {"learning_rate_init": 1e-2}
