"""How Markdown is cut and what becomes of it, as people read it in Telegram."""

import pytest

from chat.telegram.formatting import LIMIT, split, to_html, units


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**bold** and *thin* and ~~gone~~", "<b>bold</b> and <i>thin</i> and <s>gone</s>"),
        ("`a < b`", "<code>a &lt; b</code>"),
        ("```python\nx = '<b>'\n```", "<pre>x = '&lt;b&gt;'</pre>"),
        ("# Title\ntext", "<b>Title</b>\ntext"),
        ("* one\n* two", "* one\n* two"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a_b_c", "a_b_c"),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
        (
            "[site](https://example.com/?a=1&b=2)",
            '<a href="https://example.com/?a=1&amp;b=2">site</a>',
        ),
        ('[x](https://e.com/"onclick=)', '<a href="https://e.com/&quot;onclick=">x</a>'),
        ("[x](javascript:alert)", "[x](javascript:alert)"),
        ("**`code`**", "<b><code>code</code></b>"),
        ("```\nnever closed **b**", "<pre>never closed **b**</pre>"),
    ],
)
def test_markdown_becomes_the_html_that_telegram_knows(markdown: str, shown: str):
    assert to_html(markdown) == shown


def test_a_short_text_is_one_message():
    assert split("hello") == ["hello"]
    assert split("   \n ") == []


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"line {number} of a long answer" for number in range(1_000)),
        "word " * 4_000,
        "x" * 20_000,
        "🙂" * 5_000,
    ],
)
def test_a_long_text_is_cut_and_nothing_of_it_is_lost(text: str):
    pieces = split(text)

    assert len(pieces) > 1
    assert all(units(piece) <= LIMIT for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_code_block_that_is_cut_is_one_in_every_piece():
    code = "\n".join(f"print({number})" for number in range(1_000))

    pieces = split(f"Before\n```python\n{code}\n```\nAfter")

    assert len(pieces) > 2
    assert all(piece.count("```") % 2 == 0 for piece in pieces)
    assert all("```python" in piece for piece in pieces[:-1])
    assert all(units(piece) <= LIMIT for piece in pieces)


def test_units_are_those_of_utf_16():
    assert units("a🙂") == 3
