"""How many BLAS threads a product deserves: from its size alone, within what the process allows."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from pellucid import MLPClassifier
from pellucid.learning.threads import WORTH_A_THREAD, limited_threads, threads_for


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_small_products_get_one_thread_and_large_ones_what_is_allowed():
    with threadpool_limits(2, user_api="blas"):
        allowed = min(blas_threads())
        assert threads_for(WORTH_A_THREAD - 1) == 1
        assert threads_for(WORTH_A_THREAD) == allowed
    with threadpool_limits(1, user_api="blas"):
        assert threads_for(10 * WORTH_A_THREAD) == 1


def test_the_limit_holds_within_the_block_only():
    threads_for(1)  # loads every BLAS
    before = blas_threads()
    with limited_threads(1):
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_blocks_of_several_threads_leave_each_other_alone():
    threads_for(1)  # loads every BLAS
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = limited_threads(1), limited_threads(1)
        first.__enter__()
        second.__enter__()  # in another thread, before the first has ended
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        with limited_threads(2):
            assert blas_threads() == before
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


def test_a_network_says_how_many_it_took():
    X = np.random.default_rng(0).normal(size=(20, 3))
    assert MLPClassifier((4,), max_iter=1, n_iter_no_change=1).fit(X, X[:, 0] > 0).n_threads_ == 1
