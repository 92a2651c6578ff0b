"""Renders a story as a standalone HTML page with its diagram. Pure."""

from html import escape

from ops.cli.trace_text import lines
from ops.core.trace.model import Story
from ops.core.trace.svg import svg

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 1.5rem; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  background: #fff; color: #1c2430; }}
h1 {{ font-size: 1.25rem; margin: 0; overflow-wrap: anywhere; }}
p {{ margin: .25rem 0; }}
.missing {{ color: #8a5300; }}
.legend, summary {{ color: #66717f; }}
figure {{ margin: 1rem 0; overflow-x: auto; }}
pre {{ overflow-x: auto; font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #12161c; color: #e6ebf1; }} .missing {{ color: #f0b860; }} .legend, summary {{ color: #93a0ae; }}
}}
</style>
</head>
<body>
<h1>{order}</h1>
<p>{summary}</p>
{actions}{remarks}<figure>
{diagram}</figure>
<p class="legend">Blue: commands. Violet: events and webhooks; one that ends in a dot was taken by no queue.
Green boxes: what changed. Red: what failed. Times are UTC; point at a step to see all of it.</p>
<details><summary>The same as text</summary><pre>{text}</pre></details>
</body>
</html>
"""


def page(story: Story) -> str:
    """The whole page. It holds no script and loads nothing."""
    summary = ", ".join(f"{name}: {stands}" for name, stands in story.summary.items() if stands)
    return _PAGE.format(
        title=escape(f"Trace of {story.order_id}"),
        order=escape(story.order_id),
        summary=escape(summary),
        actions="".join(f"<p>{escape(action)}</p>\n" for action in story.actions),
        remarks="".join(f'<p class="missing">{escape(remark)}</p>\n' for remark in story.remarks),
        diagram=svg(story),
        text=escape("\n".join(line.plain for line in lines(story))),
    )
