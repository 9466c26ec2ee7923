"""Sentences are cut as the Penn Treebank cuts them."""

import pytest

from pellucid.data import tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It doesn't (yet).", "It does n't -LRB- yet -RRB- ."),
        ("A man's dog isn't here!", "A man 's dog is n't here !"),
        ("We'll see, they've said; I'm sure he'd go.", "We 'll see , they 've said ; I 'm sure he 'd go ."),
        ("I can't; you cannot.", "I ca n't ; you can not ."),
        ('"Stop," she said.', "`` Stop , '' she said ."),
        ('He said "no."', "He said `` no . ''"),
        ("\u201cIt\u2019s\u201d", "`` It 's ''"),
        ("The U.S. pays $1,000.50 at 10:30.", "The U.S. pays $ 1,000.50 at 10:30 ."),
        ("Dogs' tails, cats: two", "Dogs ' tails , cats : two"),
        ("wait... what -- now", "wait ... what -- now"),
        ("I'm gonna go", "I 'm gon na go"),
        ("a[b]{c}", "a -LSB- b -RSB- -LCB- c -RCB-"),
        ("a well-known T-shirt", "a well-known T-shirt"),
        ("", ""),
    ],
)
def test_conventions(text, words):
    assert tokenize(text) == words.split()


def test_what_is_cut_stays_as_it_is_when_cut_again():
    words = tokenize("The dog's owner doesn't (really) pay $5.")
    assert tokenize(" ".join(words)) == words
