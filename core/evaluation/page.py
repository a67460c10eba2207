"""The page that a report stands in: one file that needs no other, no script and no network."""

from __future__ import annotations

import hashlib
import html
import unicodedata
from base64 import b64encode

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --dim: #5b6570; --paper: #fff; --line: #d5dae0;
  --model: #1f6fb2; --base: #9a6700; --bad: #b3261e; --good: #1a7f37; --tint: 31, 111, 178; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7eb; --dim: #9aa4ae; --paper: #14181c;
  --line: #343b43; --model: #69b1ee; --base: #d8a634; --bad: #f28b82; --good: #6cc788;
  --tint: 105, 177, 238; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.dim, figcaption { color: var(--dim); } .wide { overflow-x: auto; }
.note { border-left: 4px solid var(--base); padding-left: .8rem; }
.bad { color: var(--bad); } .good { color: var(--good); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: middle; white-space: nowrap; }
th { color: var(--dim); font-weight: 600; } th.text, td.text { text-align: left;
  white-space: normal; overflow-wrap: anywhere; }
td.hit { outline: 1px solid var(--line); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .7rem; border: 1px solid var(--line); border-radius: 6px; }
figure p { margin: .3rem 0; overflow-wrap: anywhere; }
figure img { display: block; max-width: 100%; min-width: 4.5rem; image-rendering: auto; }
figure audio { width: 100%; } .passage { white-space: pre-wrap; max-height: 12rem; overflow: auto; }
.picture { position: relative; display: inline-block; } .boxes { position: absolute; inset: 0;
  width: 100%; height: 100%; fill: none; } .said { stroke: var(--bad); } .meant {
  stroke: var(--good); stroke-dasharray: 8 5; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .8rem; margin: 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
svg text { font-size: 11px; fill: var(--dim); } svg.chart { max-width: 100%; height: auto; }
.axis, .frame, .diagonal { stroke: var(--line); fill: none; } .diagonal { stroke-dasharray: 4 3; }
.reach { stroke: var(--model); stroke-width: 4; opacity: .55; } .gap { stroke: var(--bad);
  stroke-width: 2; } circle.model { fill: var(--model); } circle.baseline { fill: var(--paper);
  stroke: var(--base); stroke-width: 2; } .bar { fill: var(--model); opacity: .4; }
.wave { stroke: var(--model); } path { fill: none; stroke-width: 1.5; }
.past { stroke: var(--dim); }
.truth { stroke: var(--good); } .answer { stroke: var(--bad); stroke-dasharray: 4 3; }
""" + "".join(
    f"td.q{at} {{ background: rgba(var(--tint), {at / 12:.2f}); }}\n" for at in range(1, 10)
)

POLICY = (
    "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none';"
    " style-src 'sha256-{}'"
)
"""Nothing is fetched, whatever the data holds: pictures and sounds lie in the file, and the one
style is known by its hash."""


def page(title: str, body: str) -> str:
    """The whole file; the title is escaped here, the body is markup."""
    digest = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(digest)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{safe(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def safe(value: object) -> str:
    """Text from data as the text of a page: no markup, and nothing that turns or hides others."""
    text = "".join(
        each if each in "\n\t" or unicodedata.category(each) not in _HIDDEN else "\ufffd"
        for each in str(value)
    )
    return html.escape(text, quote=True)


_HIDDEN = {"Cc", "Cf", "Cs", "Cn"}


def table(head: list[str], rows: list[list[str]], texts: int = 1) -> str:
    """A table of markup; the first columns, so many, are text and stand left."""

    left = ' class="text"'

    def cells(row: list[str], kind: str) -> str:
        return "".join(
            cell
            if cell.startswith("<td")
            else f"<{kind}{left if at < texts else ''}>{cell}</{kind}>"
            for at, cell in enumerate(row)
        )

    lines = [f"<tr>{cells(row, 'td')}</tr>" for row in rows]
    return (
        f'<div class="wide"><table><thead><tr>{cells(head, "th")}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
