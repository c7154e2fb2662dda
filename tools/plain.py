"""Convert MyST Markdown to plain Markdown, a cell at a time.

The parser that the website uses says where the blocks of a cell begin and end. What is MyST's own
among them is rewritten, everything else stays as the author typed it. Numbers, titles and addresses
are given, never counted here.
"""

import functools
import html
import posixpath
import re
import textwrap
from dataclasses import dataclass, field
from itertools import pairwise

from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from sphinx_proof.proof_type import PROOF_TYPES

EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath", "substitution", "tasklist"}
REWRITTEN = [
    *("fence", "colon_fence", "math_block", "math_block_label", "amsmath", "myst_target"),
    *("heading_open", "footnote_reference_open", "myst_line_comment", "myst_block_break"),
]
REFUSED = ["dl_open", "substitution_block", "front_matter"]
ADMONITIONS = [
    *("admonition", "attention", "caution", "danger", "dropdown", "error", "hint", "important"),
    *("margin", "note", "seealso", "sidebar", "tip", "topic", "warning"),
]
INLINE = re.compile(
    r"""\\.
    |\{(?P<role>[A-Za-z][\w:.+-]*)\}(?P<fence>`+)(?P<content>.+?)(?<!`)(?P=fence)(?!`)
    |(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`)
    |(?P<dollar>\$\$?)(?P<math>(?:\\.|[^$\\])+?)(?P=dollar)
    |(?P<substitution>\{\{.*?\}\})
    |\[\^(?P<note>[^\]\s]+)\]
    |(?<=\])\((?P<link>(?![a-z]+:)[^)\s]*(?:\#[^)\s]+|\.(?:md|ipynb)))\)
    """,
    re.DOTALL | re.VERBOSE,
)
EXPLICIT = re.compile(r"(?P<text>.*?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
OPTION = re.compile(r":([\w-]+):[ \t]*(.*)")


class NotPlain(ValueError):
    """A construct that has no plain form here; the message says where and which."""


@dataclass
class Page:
    """What one notebook is converted with.

    Args:
        name: str, its name in the book, such as `"chapters/seq2seq"`.
        numbers: dict, what `tools/launch.py` collected from Sphinx: `site` and `images` (addresses
            that end in a slash), `pages` (their titles), `sections` (of each page, the numbers of
            its headings in order) and `labels` (each with `page`, `anchor`, `name`, `number` and
            `title`).
        cited: dict from a citation's key to its author, its year and its entry in the list.
        exercises: dict from the label of an exercise to its title.
    """

    name: str
    numbers: dict
    cited: dict
    exercises: dict
    notes: dict = field(default_factory=dict)

    def __post_init__(self):
        """Begin with the first heading."""
        self.headings = iter(self.numbers["sections"][self.name])

    def label(self, name):
        """Look up a label; an unknown one is an error."""
        if name not in self.numbers["labels"]:
            raise NotPlain(f"nothing is labelled {name!r}")
        return self.numbers["labels"][name]

    def address(self, name):
        """Find a label, in this notebook or on the website."""
        target = self.label(name)
        if target["page"] == self.name:
            return f"#{name}"
        return f"{self.numbers['site']}{target['page']}.html#{target['anchor']}"

    def find(self, path):
        """Find a page of the website by its path in the book, or in the folder of chapters."""
        path = re.sub(r"^(\.?\.?/)+|\.(md|ipynb)$", "", path)
        for name in (path, f"chapters/{path}"):
            if name in self.numbers["pages"]:
                return name
        raise NotPlain(f"there is no page {path!r}")


@functools.cache
def parser():
    """Make the parser that the website uses; definitions of notes stay where they are written."""
    config = MdParserConfig(enable_extensions=EXTENSIONS)
    return create_md_parser(config, RendererHTML).disable("footnote_tail")


def anchor(label):
    """Make the place that `[...](#label)` leads to."""
    return f'<a id="{label}"></a>' if label else ""


def convert(text, page, quoted=False):
    """Convert the Markdown of a cell, or of a part of one.

    Args:
        text: str, MyST Markdown.
        page: Page.
        quoted: bool, whether the result goes into a block quote.

    Returns:
        str, plain Markdown.

    Raises:
        NotPlain: if something in it is unknown.
    """
    source, pieces, at = text.split("\n"), [], 0
    for token, following in pairwise([*parser().parse(text), None]):
        if token.type not in [*REWRITTEN, *REFUSED, "inline"] or token.map[0] < at:
            continue
        start, end = token.map[0], max(token.map)
        while end > start + 1 and not source[end - 1].strip(" >"):
            end -= 1
        while token.type == "amsmath" and "\\end{" not in source[end - 1]:
            end += 1  # the parser leaves the last line out
        lines = source[start : max(end, start + 1)]
        if token.info.startswith("{solution-start}"):  # the rest of the cell belongs to it
            token.content, end = "\n".join([token.content, *source[end:]]), len(source)
        pieces.append((False, source[at:start]))
        if token.type == "inline":
            pieces.append((False, inline("\n".join(lines), page).split("\n")))
        else:
            prefix = re.match(r"[ \t>]*", lines[0])[0]
            lines = [line.removeprefix(prefix) for line in lines]
            title = following.content if token.type == "heading_open" else ""
            new = block(token, title, lines, page, quoted or ">" in prefix)
            pieces.append((True, [(prefix + line).rstrip() for line in new]))
        at = max(end, start + 1)
    return joined([*pieces, (False, source[at:])])


def joined(pieces):
    """Join pieces, each `(is_block, lines)`, with an empty line on either side of a block."""
    out, after_block = [], False
    for is_block, lines in pieces:
        if not lines:
            continue
        if (is_block or after_block) and out and out[-1].strip(" >") and lines[0].strip(" >"):
            out.append(re.match(r"(?:[ \t]*>)?", lines[0])[0])
        out += lines
        after_block = is_block
    return "\n".join(out).strip("\n")


def block(token, title, lines, page, quoted):
    """Convert one block of a cell, given as its token and lines, to lines."""
    if token.type in ("fence", "colon_fence"):
        named = re.fullmatch(r"\{([\w:.+-]+)\}\s*(.*)", token.info.strip())
        return directive(*named.groups(), token.content, page, quoted) if named else lines
    if token.type in ("math_block", "math_block_label", "amsmath"):
        label = token.info if token.type == "math_block_label" else None
        return formula(token.content, label, page, quoted)
    if token.type == "myst_target":
        return [anchor(token.content)]
    if token.type == "heading_open":
        number = next(page.headings, None)
        if number is None:
            raise NotPlain(f"the website has no heading {title!r} here")
        number = f"{number}. " if number else ""
        return [f"{'#' * int(token.tag[1])} {number}{inline(title, page)}"]
    if token.type == "footnote_reference_open":
        text = re.sub(r"^\s*\[\^[^\]]+\]:\s*", "", "\n".join(lines))
        page.notes[token.meta["label"]] = convert(re.sub(r"\n[ \t]+", "\n", text), page)
    if token.type in REFUSED:
        raise NotPlain(f"{lines[0]!r} begins what is not plain Markdown ({token.type})")
    return []  # a note, a comment, or a break between blocks


def formula(text, label, page, quoted):
    """Write a displayed formula, with its number as on the website.

    In a block quote it stands on one line: JupyterLab would take the marks of further lines for a
    part of the formula.
    """
    text = textwrap.dedent(text.strip("\n"))
    lines = [re.sub(r"(?<!\\)%.*", "", line).rstrip() for line in text.split("\n")]
    lines = [line for line in lines if line.strip()]
    outside = re.sub(r"\\begin\{([\w*]+)\}.*?\\end\{\1\}", "", "\n".join(lines), flags=re.DOTALL)
    if "\\\\" in outside:
        lines = ["\\begin{aligned}", *lines, "\\end{aligned}"]
    if label:
        lines.append(f"\\tag{{{page.label(label)['number']}}}")
    lines = [f"$${' '.join(map(str.strip, lines))}$$"] if quoted else ["$$", *lines, "$$"]
    return [anchor(label), "", *lines] if label else lines


def directive(name, title, content, page, quoted):
    """Convert a directive.

    Args:
        name: str, such as `"prf:theorem"`.
        title: str, what stands on its first line.
        content: str, the rest.
        page: Page.
        quoted: bool, whether it stands in a block quote.

    Returns:
        list of lines.
    """
    options, text = split_options(content)
    label, title = options.get("label", options.get("name")), inline(title, page)
    if name == "prf:proof":
        return headed(f"*Proof{bracketed(title)}.*", label, options, proof_body(text, page), page)
    if name.removeprefix("prf:") in PROOF_TYPES or name in ("exercise", "exercise-start"):
        head = f"**{numbered(name, label, options, page)}**{bracketed(title)}"
        return headed(head, label, options, ["", *body(text, page, True)], page)
    if name in ("solution", "solution-start"):
        head = f"Solution to {page.label(title)['name']}"
        head += bracketed(inline(page.exercises.get(title, ""), page))
        folded = details(head, body(text, page, quoted)) if text else [f"**{head}**"]
        return [anchor(label), "", *folded] if label else folded
    if name in ("solution-end", "exercise-end"):
        return ["---"]
    if name in ADMONITIONS:
        options["class"] = f"{options.get('class', '')} {name}"
        head = f"**{title or name.capitalize()}**"
        return headed(head, label, options, ["", *body(text, page, True)], page)
    if name == "math":
        return formula(text, label, page, quoted)
    if name in ("code", "code-block"):
        return [f"```{title}", *text.split("\n"), "```"]
    if name in ("figure", "image"):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page.name), title))
        picture = f"![{options.get('alt', '')}]({page.numbers['images']}{path})"
        return [picture, "", caption(label, text, page)]
    if name == "table":
        return [caption(label, title, page), "", *body(text, page, quoted)]
    if name in ("footbibliography", "bibliography"):
        return references(page)
    raise NotPlain(f"unknown directive {name!r}")


def split_options(content):
    """Separate a directive's `:name: value` lines from its text."""
    lines = content.strip("\n").split("\n")
    count = next((i for i, line in enumerate(lines) if not OPTION.fullmatch(line)), len(lines))
    options = dict(OPTION.fullmatch(line).groups() for line in lines[:count])
    return options, "\n".join(lines[count:]).strip("\n")


def bracketed(title):
    """Write a title as it follows a number."""
    return f" ({title})" if title else ""


def numbered(name, label, options, page):
    """Name a theorem or an exercise, with the number that the website gives it."""
    if "nonumber" in options:
        return name.removeprefix("prf:").removesuffix("-start").capitalize()
    if not label:
        raise NotPlain(f"the directive {name!r} needs a label: its number is looked up by it")
    return page.label(label)["name"]


def body(text, page, quoted):
    """Convert what a directive holds; a list of lines."""
    return convert(text, page, quoted).split("\n")


def proof_body(text, page):
    """Convert a proof, with its end marked; a paragraph that opens it follows the word `Proof`."""
    lines = body(text, page, True)
    paragraph = re.match(r"[\w$(\[*]", lines[0]) and not re.match(r"\$\$|\d+\.|\* ", lines[0])
    running = not re.match(r"\$\$|\s*([-*]|\d+\.) |\|", lines[-1])
    return [*([] if paragraph else [""]), *lines, *([] if running else [""]), "∎"]


def headed(head, label, options, lines, page):
    """Put lines under a head into a block quote, or fold them if their class says so."""
    if "dropdown" in options.get("class", "").split():
        folded = details(head.replace("**", ""), lines if lines[0] else lines[1:])
        return [anchor(label), "", *folded] if label else folded
    if lines[0]:
        head, lines = f"{head} {lines[0]}", lines[1:]
    return [f"> {line}".rstrip() for line in [anchor(label) + head, *lines]]


def details(summary, lines):
    """Fold lines under a summary, which may hold code, emphasis and formulas."""
    summary = re.sub(r"`([^`]+)`", lambda match: f"<code>{html.escape(match[1])}</code>", summary)
    summary = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", summary)
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def caption(label, text, page):
    """Write the caption of a figure or a table, with its number."""
    number = f"**{page.label(label)['name']}.** " if label else ""
    return f"{anchor(label)}{number}{inline(text, page)}"


def references(page):
    """List what the notebook cites."""
    return [f"- {anchor(f'ref-{key}')}{entry}" for key, (_, _, entry) in page.cited.items()]


def inline(text, page):
    """Convert roles, notes and links in running text; code is passed over."""

    def replace(match):
        if match["role"]:
            return role(match["role"], match["content"], page)
        if match["math"]:  # on one line, and close to its marks
            inside = re.sub(r"\s*\n[\s>]*", " ", match["math"]).strip()
            return f"{match['dollar']}{inside}{match['dollar']}"
        if match["note"]:
            number = list(page.notes).index(match["note"]) + 1
            return f"<sup>[{number}](#note-{number})</sup>"
        if match["link"]:
            path, _, label = match["link"].partition("#")
            if not path:
                return f"({page.address(label)})"
            end = f"#{label}" if label else ""
            return f"({page.numbers['site']}{page.find(path)}.html{end})"
        if match["substitution"]:
            raise NotPlain(f"the substitution {match[0]} is not plain Markdown")
        return match[0]

    return INLINE.sub(replace, text)


def role(name, content, page):
    """Convert one role."""
    if name in ("ref", "numref", "eq", "prf:ref", "doc"):
        return reference(name, content, page)
    if name.startswith(("footcite", "cite")):
        return citation(name, content, page)
    if name in ("math", "code"):
        mark = "$" if name == "math" else "`"
        return f"{mark}{content}{mark}"
    if name in ("abbr", "kbd", "sub", "sup"):
        return f"<{name}>{html.escape(content)}</{name}>"
    raise NotPlain(f"unknown role {name!r}")


def reference(name, content, page):
    """Resolve a role that points to a label or to a page."""
    explicit = EXPLICIT.fullmatch(content)
    text, aim = explicit.groups() if explicit else (None, content.strip())
    if name == "doc":
        found = page.find(aim)
        return f"[{text or page.numbers['pages'][found]}]({page.numbers['site']}{found}.html)"
    target = page.label(aim)
    if name == "numref" and text:
        text = re.sub(r"%s|\{number\}", target["number"], text).replace("{name}", target["title"])
    text = text or (target["title"] if name == "ref" else "") or target["name"]
    if not text:
        raise NotPlain(f"{aim!r} has neither number nor title to be referred to by")
    return f"[{text}]({page.address(aim)})"


def citation(name, content, page):
    """Write citations as author and year: a part of the sentence for `:t`, else in brackets."""
    form = name.partition(":")[2].removesuffix("s") or "p"
    if form not in ("t", "p"):
        raise NotPlain(f"unknown role {name!r}")
    cited = [(key, *page.cited[key]) for key in map(str.strip, content.split(","))]
    if form == "t":
        return ", ".join(f"[{author} ({year})](#ref-{key})" for key, author, year, _ in cited)
    return f"({'; '.join(f'[{author}, {year}](#ref-{key})' for key, author, year, _ in cited)})"
