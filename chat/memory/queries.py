"""What somebody typed, as terms to look for. There is no syntax to get wrong.

Words are runs of letters and digits; everything between them separates. A balanced pair of quotes
makes a phrase, a star behind a word or phrase makes its last word the beginning of one.
"""

import re
from dataclasses import dataclass

#: Later terms are left out: each costs a look into the index.
MAX_TERMS = 32

_PIECE = re.compile(r'"(?P<phrase>[^"]*)"(?P<phrase_star>\*)?|(?P<token>\w+)(?P<star>\*(?!\w))?')
_WORD = re.compile(r"[^\W_]+")  # an underscore holds words together, it is not part of one


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow one another. With `is_prefix` the last one may go on."""

    words: tuple[str, ...]
    is_prefix: bool = False


def parse(query: str) -> tuple[Term, ...]:
    """Each term once, in the order of the query; none for a query without letters and digits."""
    found: dict[Term, None] = {}
    for piece in _PIECE.finditer(query):
        text = piece["phrase"] if piece["phrase"] is not None else piece["token"]
        words = tuple(_WORD.findall(text))
        if words:
            found[Term(words, bool(piece["phrase_star"] or piece["star"]))] = None
        if len(found) == MAX_TERMS:
            break
    return tuple(found)
