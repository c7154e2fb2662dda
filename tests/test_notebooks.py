"""MyST becomes plain Markdown: each construct, whole notebooks, and what cannot be converted.

What is made from the chapters is compared with the website in `test_launch.py`.
"""

import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from pybtex.database import parse_string

from tools import notebooks, plain

BIBLIOGRAPHY = parse_string(
    r"""
    @article{One1997, author={One, Ann}, title={Long memory}, journal={J}, year={1997}}
    @article{Two2000, author={G{\"o}del, Kurt and van der Berg, Jan}, title={Both}, journal={J},
             year={2000}}
    @article{Three2001, author={Aa, A. and Bb, B. and Cc, C.}, title={All}, journal={J},
             year={2001}}
    @article{Three2001b, author={Aa, A. and Dd, D. and Ee, E.}, title={More}, journal={J},
             year={2001}}
    """,
    "bibtex",
)


def label(page, name, number, title="", anchor=None):
    return {"page": page, "anchor": anchor, "name": name, "number": number, "title": title}


NUMBERS = {
    "site": "https://example.org/course/",
    "images": "https://example.org/raw/",
    "pages": {"chapters/here": "Here", "chapters/there": "There", "notation": "Notation"},
    "sections": {"chapters/here": ["2", "2.1", "2.1.1"]},
    "labels": {
        "eq-a": label("chapters/here", "(2.1)", "2.1"),
        "eq-far": label("chapters/there", "(3.4)", "3.4", anchor="equation-eq-far"),
        "prf-a": label("chapters/here", "Theorem 2.1", "2.1"),
        "ex-a": label("chapters/here", "Exercise 2.1", "2.1"),
        "fig-a": label("chapters/here", "Fig. 2.1", "2.1", "A curve."),
        "tab-a": label("chapters/here", "Table 2.1", "2.1"),
        "sec-far": label("chapters/there", "Section 3.2", "3.2", "Far away", "far-away"),
        "nameless": label("notation", "", "", anchor="nameless"),
    },
}


@pytest.fixture
def page():
    cells = ["{cite}`One1997,Two2000,Three2001,Three2001b`"]
    cited = notebooks.citations(cells, BIBLIOGRAPHY)
    return plain.Page("chapters/here", NUMBERS, cited, {"ex-a": "The `gate` of $x$"})


SITE = "https://example.org/course/"
SENTENCES = {
    "an equation": ("By {eq}`eq-a`.", "By [(2.1)](#eq-a)."),
    "an equation elsewhere": (
        "{eq}`eq-far`",
        f"[(3.4)]({SITE}chapters/there.html#equation-eq-far)",
    ),
    "a theorem": ("{prf:ref}`prf-a`", "[Theorem 2.1](#prf-a)"),
    "a figure": ("{numref}`fig-a` shows", "[Fig. 2.1](#fig-a) shows"),
    "a figure with words": ("{numref}`picture %s <fig-a>`", "[picture 2.1](#fig-a)"),
    "a section": ("{ref}`sec-far`", f"[Far away]({SITE}chapters/there.html#far-away)"),
    "a section with words": (
        "{ref}`below <sec-far>`",
        f"[below]({SITE}chapters/there.html#far-away)",
    ),
    "words over two lines": ("{ref}`as\nsaid <ex-a>`", "[as\nsaid](#ex-a)"),
    "an exercise": ("{ref}`ex-a`", "[Exercise 2.1](#ex-a)"),
    "a page": ("{doc}`/notation`", f"[Notation]({SITE}notation.html)"),
    "a page beside it": ("{doc}`there`", f"[There]({SITE}chapters/there.html)"),
    "a link to a label": ("[see](#eq-a)", "[see](#eq-a)"),
    "a link to a file": ("[see](there.ipynb#x)", f"[see]({SITE}chapters/there.html#x)"),
    "a link elsewhere": ("[see](https://a.org/b.md)", "[see](https://a.org/b.md)"),
    "a citation": (
        "so {footcite:p}`One1997`.",
        "so ([One, 1997](#ref-One1997)).",
    ),
    "a citation in the sentence": (
        "{footcite:t}`Two2000` say",
        "[Gödel and van der Berg (2000)](#ref-Two2000) say",
    ),
    "two citations": (
        "{cite:p}`One1997,Three2001`",
        "([One, 1997](#ref-One1997); [Aa et al., 2001a](#ref-Three2001))",
    ),
    "mathematics": ("{math}`x^2` and $ y $", "$x^2$ and $y$"),
    "mathematics over two lines": ("$a\n+b$ is", "$a +b$ is"),
    "code that looks like a role": ("`{eq}`x and ``{ref}`b` ``", "`{eq}`x and ``{ref}`b` ``"),
    "escaped": (r"\{eq}\`x\` costs \$5 or \$6", r"\{eq}\`x\` costs \$5 or \$6"),
}


@pytest.mark.parametrize(("source", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_running_text(page, source, expected):
    assert plain.convert(source, page) == expected


BLOCKS = {
    "targets and headings": (
        "(ch-here)=\n# Here\nText.\n\n## Goals\n% a comment\n### More\n+++\nEnd.",
        '<a id="ch-here"></a>\n\n# 2. Here\n\nText.\n\n## 2.1. Goals\n\n### 2.1.1. More\n\nEnd.',
    ),
    "a heading of the other form": ("Here\n====", "# 2. Here"),
    "a labelled equation": (
        "Text\n\n$$\na &= b \\\\\n&= c % why\n$$ (eq-a)\n\nmore",
        'Text\n\n<a id="eq-a"></a>\n\n$$\n\\begin{aligned}\na &= b \\\\\n&= c\n\\end{aligned}\n'
        "\\tag{2.1}\n$$\n\nmore",
    ),
    "a plain equation": ("$$x$$", "$$\nx\n$$"),
    "bare LaTeX": (
        "\\begin{align}\na\n\\end{align}",
        "$$\n\\begin{align}\na\n\\end{align}\n$$",
    ),
    "an equation in a list": (
        "* item\n\n  $$\n  x\n  $$ (eq-a)\n* next",
        '* item\n\n  <a id="eq-a"></a>\n\n  $$\n  x\n  \\tag{2.1}\n  $$\n\n* next',
    ),
    "a theorem": (
        ":::{prf:theorem} The $x$ of {eq}`eq-a`\n:label: prf-a\nLet $a\nb$. Then\n\n"
        "$$\nx\n=y\n$$ (eq-a)\n:::",
        '> <a id="prf-a"></a>**Theorem 2.1** (The $x$ of [(2.1)](#eq-a))\n>\n> Let $a b$. Then\n>\n'
        '> <a id="eq-a"></a>\n>\n> $$x =y \\tag{2.1}$$',
    ),
    "a theorem in backticks": (
        "```{prf:theorem}\n:label: prf-a\n\ntext\n```",
        '> <a id="prf-a"></a>**Theorem 2.1**\n>\n> text',
    ),
    "a proof": (":::{prf:proof}\nClear.\n:::", "> *Proof.* Clear.\n> ∎"),
    "a proof that ends with a formula": (
        ":::{prf:proof}\n1. One.\n\n$$x$$\n:::",
        "> *Proof.*\n>\n> 1. One.\n>\n> $$x$$\n>\n> ∎",
    ),
    "a folded proof": (
        ":::{prf:proof}\n:class: dropdown\nClear.\n:::",
        "<details>\n<summary><em>Proof.</em></summary>\n\nClear.\n∎\n\n</details>",
    ),
    "an exercise": (
        ":::{exercise} A\n:label: ex-a\n\nShow it.\n:::",
        '> <a id="ex-a"></a>**Exercise 2.1** (A)\n>\n> Show it.',
    ),
    "a solution": (
        ":::{solution} ex-a\n:label: sol-a\n:class: dropdown\n\nBy {eq}`eq-a`.\n:::",
        '<a id="sol-a"></a>\n\n<details>\n<summary>Solution to Exercise 2.1 '
        "(The <code>gate</code> of $x$)</summary>\n\nBy [(2.1)](#eq-a).\n\n</details>",
    ),
    "a solution with code": (
        ":::{solution-start} ex-a\n:::\n\nBy {eq}`eq-a`.\n\nThus:",
        "<details>\n<summary>Solution to Exercise 2.1 (The <code>gate</code> of $x$)</summary>\n\n"
        "By [(2.1)](#eq-a).\n\nThus:\n\n</details>",
    ),
    "the end of a solution": (":::{solution-end}\n:::\n\nNext", "---\n\nNext"),
    "a note": (":::{note}\nMind $x$.\n:::", "> **Note**\n>\n> Mind $x$."),
    "a dropdown": (
        ":::{dropdown} Why?\nSo.\n:::",
        "<details>\n<summary>Why?</summary>\n\nSo.\n\n</details>",
    ),
    "a nested directive": (
        "::::{note}\n:::{prf:proof}\nA.\n:::\n::::",
        "> **Note**\n>\n> > *Proof.* A.\n> > ∎",
    ),
    "a table": (
        ":::{table} Sizes\n:name: tab-a\n\n| a | b |\n|---|---|\n| {eq}`eq-a` | {math}`x` |\n:::",
        '<a id="tab-a"></a>**Table 2.1.** Sizes\n\n| a | b |\n|---|---|\n| [(2.1)](#eq-a) | $x$ |',
    ),
    "a picture": (
        ":::{figure} ../_static/a.svg\n:name: fig-a\n:alt: A line\n\nA curve.\n:::",
        "![A line](https://example.org/raw/_static/a.svg)\n\n"
        '<a id="fig-a"></a>**Fig. 2.1.** A curve.',
    ),
    "code": ("```python\n{eq}`eq-a`\n\n\n$x$\n```", "```python\n{eq}`eq-a`\n\n\n$x$\n```"),
    "code as a directive": ("```{code-block} python\nx = {1}\n```", "```python\nx = {1}\n```"),
    "a quote": ("> By {eq}`eq-a`\n>\n> $$\n> x\n> $$", "> By [(2.1)](#eq-a)\n>\n> $$x$$"),
    "a list": ("* a {eq}`eq-a`\n  b\n* c", "* a [(2.1)](#eq-a)\n  b\n* c"),
    "HTML": ("<b>x</b>\n<!-- y -->", "<b>x</b>\n<!-- y -->"),
}


@pytest.mark.parametrize(("source", "expected"), BLOCKS.values(), ids=BLOCKS)
def test_blocks(page, source, expected):
    assert plain.convert(source, page) == expected


REFUSED = {
    "a directive": (":::{prf:theroem}\n:label: prf-a\n:::", "unknown directive 'prf:theroem'"),
    "a role": ("{eqq}`eq-a`", "unknown role 'eqq'"),
    "a form of citation": ("{footcite:year}`One1997`", "unknown role 'footcite:year'"),
    "a label": ("{eq}`eq-b`", "nothing is labelled 'eq-b'"),
    "a label of an equation": ("$$x$$ (eq-b)", "nothing is labelled 'eq-b'"),
    "a linked label": ("[see](#nowhere)", "nothing is labelled 'nowhere'"),
    "a label of an exercise": (":::{solution} ex-b\n:::", "nothing is labelled 'ex-b'"),
    "a theorem without label": (":::{prf:theorem}\nx\n:::", "needs a label"),
    "what has no name": ("{numref}`nameless`", "neither number nor title"),
    "a page": ("{doc}`nowhere`", "no page 'nowhere'"),
    "a heading that the site lacks": ("# A\n# B\n# C\n# D", "no heading 'D'"),
    "a substitution": ("a {{ name }}", "substitution"),
    "a definition list": ("term\n: what it is", "not plain Markdown"),
}


@pytest.mark.parametrize(("source", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_unknown_stops_with_its_name(page, source, message):
    with pytest.raises(plain.NotPlain, match=re.escape(message)):
        plain.convert(source, page)


def small_notebook(*more):
    cells = [
        nbformat.v4.new_markdown_cell("(ch-here)=\n# Here\n\nSee {eq}`eq-a`[^why].", id="title"),
        nbformat.v4.new_code_cell(
            "%config InlineBackend.figure_format = 'png'\nx =  1 # {eq}`eq-a`\n\n\nprint(x)\n",
            id="code",
            metadata={
                "tags": ["hide-input"],
                "mystnb": {"figure": {"name": "fig-a", "caption": "A $y$."}},
            },
            outputs=[nbformat.v4.new_output("stream", text="old")],
            execution_count=7,
        ),
        nbformat.v4.new_markdown_cell(
            "## Goals\n\n$$x$$ (eq-a)\n\n[^why]: Because {footcite:t}`Two2000`\n    say so.\n",
            id="goals",
        ),
        nbformat.v4.new_markdown_cell("### References\n:::{footbibliography}\n:::", id="end"),
        *more,
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(
        cells=cells, metadata=spec | {"language_info": {"name": "python"}}
    )


def derive(notebook):
    return notebooks.derive(notebook, "chapters/here", NUMBERS, BIBLIOGRAPHY)


def test_a_notebook_keeps_its_code_and_its_ids():
    source = small_notebook()
    derived = derive(source)
    nbformat.validate(derived)
    ids = [cell.id for cell in derived.cells]
    assert ids == ["title", "code", "code-caption", "goals", "end", "notes"]
    assert derived.cells[1].source == source.cells[1].source
    assert derived.cells[1].outputs == [] and derived.cells[1].execution_count is None
    assert derived.cells[2].source == '<a id="fig-a"></a>**Fig. 2.1.** A $y$.'
    assert derived.metadata.kernelspec == source.metadata.kernelspec
    assert derived.cells[1].metadata.jupyter.source_hidden


def test_notes_and_references_are_listed():
    derived = derive(small_notebook())
    text = {cell.id: cell.source for cell in derived.cells}
    assert "See [(2.1)](#eq-a)<sup>[1](#note-1)</sup>." in text["title"]
    assert "[^why]" not in str(derived)
    assert text["notes"] == (
        '**Notes**\n\n1. <a id="note-1"></a>Because [Gödel and van der Berg (2000)](#ref-Two2000)'
        "\nsay so."
    )
    assert text["end"] == (
        '### 2.1.1. References\n\n- <a id="ref-Two2000"></a>**Gödel and van der Berg (2000).** '
        "Kurt Gödel and Jan van der Berg. Both. *J*, 2000."
    )


def test_references_are_listed_even_without_a_place_for_them():
    source = small_notebook()
    source.cells[3].source = "### More"
    assert derive(source).cells[-1].source.startswith("**References**\n\n- ")


def test_citations_alike_are_told_apart_and_put_in_order():
    keys = ["{cite:p}`Three2001b,Three2001`", "{cite:p}`One1997`"]
    found = notebooks.citations(keys, BIBLIOGRAPHY)
    assert [(author, year) for author, year, _ in found.values()] == [
        ("Aa et al.", "2001a"),
        ("Aa et al.", "2001b"),
        ("One", "1997"),
    ]


WRONG = {
    "an unknown construct names its cell": ("{eq}`no`", "chapters/here, cell last: .*'no'"),
    "an unknown citation": ("{cite:p}`Nobody1900`", "the bibliography has no Nobody1900"),
    "a note that is not there": ("A[^missing]", "the note 'missing' is not defined"),
    "a heading too many": ("#### Four", "cell last: the website has no heading 'Four'"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_a_notebook_that_cannot_be_derived_says_where(text, message):
    with pytest.raises(plain.NotPlain, match=message):
        derive(small_notebook(nbformat.v4.new_markdown_cell(text, id="last")))


def test_a_heading_too_few_is_an_error():
    source = small_notebook()
    source.cells.pop()
    with pytest.raises(plain.NotPlain, match="more headings than the notebook"):
        derive(source)


def test_a_derived_notebook_executes_and_nbconvert_shows_it_without_directives():
    derived = derive(small_notebook())
    NotebookClient(derived, timeout=120).execute()
    assert derived.cells[1].outputs[0].text == "1\n"
    body, _ = HTMLExporter(embed_images=True).from_notebook_node(derived)
    text = re.sub(r"<script.*?</script>|<div class=\"highlight.*?</pre>", "", body, flags=re.DOTALL)
    assert "\\tag{2.1}" in text
    assert not re.search(r":::|\{[a-z:]+\}(?:`|<code>)|\(ch-here\)=|\[\^", text)
