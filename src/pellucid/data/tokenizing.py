"""A sentence as people write it, cut into the words of the Penn Treebank (Marcus et al. 1993).

The rules, in the order in which they are applied:

1. Round, square and curly brackets become ``-LRB- -RRB- -LSB- -RSB- -LCB- -RCB-``, words of their own.
2. A double quote that opens (at the start, or behind a space or bracket) becomes two backquotes, another one two
   apostrophes; curly quotes become the plain ones of their kind.
3. ``, ; : ! ? @ # $ % &`` and ``...``, ``--`` are words of their own, but not a comma or a colon between two digits
   (``1,000``, ``10:30``).
4. A full stop is cut off at the end of the text only: ``U.S.`` and ``3.5`` stay whole inside.
5. ``n't`` is cut off (``does n't``, ``ca n't``), and so are ``'s 'm 'd 're 've 'll`` and a lone ``'`` behind a word.
6. ``cannot``, ``gonna``, ``gotta``, ``wanna``, ``gimme``, ``lemme`` are two words: ``can not``, ``gon na``.
7. What is left is parted at white space. (So a no-break space parts words here; in files with parses it does not.)
"""

import re

__all__ = ["BRACKETS", "tokenize"]

BRACKETS = {"(": "-LRB-", ")": "-RRB-", "[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        ("[\u2018\u2019]", "'"),
        ("\u201c", " `` "),
        ("\u201d", " '' "),
        (r'(^|[\s(\[{<])"', r"\1 `` "),
        (r'"', " '' "),
        (r"[()\[\]{}]", ""),  # replaced below, by the table
        (r"(\.{3}|\u2026)", " ... "),
        (r"--+", " -- "),
        (r"[;!?@#$%&]", r" \g<0> "),
        (r"(?<![0-9])[,:]|[,:](?![0-9])", r" \g<0> "),
        (r"([^.\s])\.(\s*(?:''|'|-R[RSC]B-|\s)*)$", r"\1 . \2"),
        (r"(?i)\b(can)(not)\b", r" \1 \2 "),
        (r"(?i)\b(gon|got|wan)(na|ta)\b", r" \1 \2 "),
        (r"(?i)\b(gim|lem)(me)\b", r" \1 \2 "),
        (r"(?i)(?<=[a-z])(n't)\b", r" \1"),
        (r"(?i)(?<=\w)('(?:s|m|d|re|ve|ll))(?!\w)", r" \1"),
        (r"(?<=\w)'(?=\s|$)", " ' "),
        (r"(^|\s)'(?=\w)(?!(?:s|m|d|re|ve|ll|t)\b)", r"\1` "),
    )
)


def tokenize(text: str) -> list[str]:
    """Return the words of one sentence: ``It doesn't (yet).`` is It, does, n't, -LRB-, yet, -RRB- and the stop."""
    for pattern, replacement in _RULES:
        if replacement:
            text = pattern.sub(replacement, text)
        else:
            text = pattern.sub(lambda match: f" {BRACKETS[match[0]]} ", text)
    return text.split()
