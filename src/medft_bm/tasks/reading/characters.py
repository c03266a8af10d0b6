"""One spelling for characters and markup that mean the same."""

from __future__ import annotations

import re
import unicodedata

_FULL_WIDTH = {0xFF01 + i: chr(0x21 + i) for i in range(94)}
_SPACES = dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_INVISIBLE = dict.fromkeys([0xAD, *range(0x200B, 0x2010), 0x2060, 0xFEFF])
_HYPHENS = dict.fromkeys([*range(0x2010, 0x2014), 0x2212, 0xFE63], "-")
_DASHES = dict.fromkeys([0x2014, 0x2015], " - ")
_OTHERS = str.maketrans(
    {
        **dict.fromkeys("×✕✖⨯", "x"),
        **dict.fromkeys("‘’‛", "'"),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("º˚", "°"),
        **dict.fromkeys("～〜∼", "~"),
        **dict.fromkeys("【〔", "["),
        **dict.fromkeys("】〕", "]"),
        "µ": "μ",
        "㎜": "mm",
        "㎝": "cm",
        "㎛": "μm",
        "、": ",",
        "。": ". ",
        "٫": ".",
        "٬": ",",
        "…": " … ",
    }
)
_FOLD = {**_FULL_WIDTH, **_SPACES, **_INVISIBLE, **_HYPHENS, **_DASHES, **_OTHERS}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")

_LATEX = (
    (re.compile(r"\\(?:mathrm|mathbf|mathsf|textbf|textit|text|operatorname)\s?\{([^{}]{0,200})\}"), r" \1 "),
    (re.compile(r"\^\s?\{?\s?\\(?:circ|degree)\s?\}?|\\degree\b"), "°"),
    (re.compile(r"\\times\b"), " x "),
    (re.compile(r"\\pm\b"), "±"),
    (re.compile(r"\\(?:leq?|lt)\b"), "<"),
    (re.compile(r"\\(?:geq?|gt)\b"), ">"),
    (re.compile(r"\\pi\b"), "π"),
    (re.compile(r"\\sqrt\b"), "√"),
    (re.compile(r"\{([.,])\}"), r"\1"),
    (re.compile(r"\\([%_#&])"), r"\1"),
    (re.compile(r"\\(?!boxed)(?:[a-zA-Z]+|[^a-zA-Z0-9\s{}]|\s)|\$"), " "),
)
# Each with what it cannot do without: a look for that is far cheaper.
_MARKDOWN = (
    ("`", re.compile(r"`+"), " "),
    ("**", re.compile(r"\*\*+"), " "),
    ("", re.compile(r"[xX*](?:(?:(?<=\d.)|(?<=\d .)) ?(?=[\d.])|(?:(?<=\dmmx)|(?<=\dcmx))(?=\d))"), " x "),
    ("*", re.compile(r"\*"), " "),
    ("_", re.compile(r"(?<!\w)_+(?=\w)|(?<=[^\W_])_++(?!\w)"), " "),
    ("<", re.compile(r"</?[A-Za-z!|][^<>]{0,200}>"), " "),
    ("..", re.compile(r"\.\.+"), " … "),
)
# A single blank stays what it is, which most are.
_BLANKS = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_BREAKS = re.compile(r" ?\n\s*")
_POWER = re.compile(r"(?<=\d) ?x ?10 ?(?:\^ ?\{?([-+]?\d{1,3})\}?|([⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]{1,4}))")


def folded(reply: str) -> str:
    """The reply with one kind of digit, space, dash, quotation mark, degree and multiplication sign."""
    text = reply
    if not text.isascii():
        text = text.translate(_FOLD)
        text = re.sub(r"[^\D0-9]", lambda digit: str(unicodedata.decimal(digit[0])), text)
    return spaced(text)


def plain(text: str) -> str:
    """A folded text without LaTeX, Markdown and tags; powers of ten as exponents. Brackets stay."""
    if "\\" in text or "$" in text:
        for pattern, instead in _LATEX:
            text = pattern.sub(instead, text)
    for sign, pattern, instead in _MARKDOWN:
        text = pattern.sub(instead, text) if sign in text else text
    text = spaced(text)
    return _POWER.sub(lambda power: f"e{power[1] or power[2].translate(_RAISED)}", text) if "10" in text else text


def spaced(text: str) -> str:
    """One blank, or one line break, for any white space; none around the text."""
    if "  " in text or not text.isprintable():  # as any blank but a single space makes it, and few texts have one
        text = _BLANKS.sub(" ", text)
    return (_BREAKS.sub("\n", text) if "\n" in text else text).strip()
