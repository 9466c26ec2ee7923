"""Compiled twins of the vocabulary: the same mathematics as in ``parts/*.py``, on flat vectors, in loops.

The readable NumPy definition of each function stands in the file of the same name one folder up, and tests
hold the two together. Everything here works on flat vectors and offsets, so that one compilation serves every
network. Importing this package imports Numba.
"""
