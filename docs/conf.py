"""The documentation as a site, made of the repository's Markdown files where they are, so that a link serves both.

`just docs` builds it into build/site, fails at any warning, and fetches nothing.
"""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import zakar

project = "zakar"
version = release = zakar.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Of other libraries, whose sites a build does not fetch, and of what is not public here.
nitpick_ignore_regex = [("py:.*", r"(pathlib|collections\.abc|pyarrow|zakar|typing)\..*")]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "benchmarks/README.md"]
exclude_patterns = [".*", "build", "dist"]
myst_heading_anchors = 4  # the anchors of headings are those of a repository's web view

html_theme = "furo"  # its fonts are the reader's own: a page fetches nothing from elsewhere
html_title = "zakar"
html_copy_source = False
html_show_copyright = False

# The pages in the margin, part by part.
NAVIGATION = {
    "Use": ["docs/participants", "docs/organisers", "docs/loading", "docs/memphis", "docs/python", "docs/commands"],
    "Teach": ["docs/lab", "docs/lab-answers"],
    "Understand": ["docs/models", "docs/glossary", "ARCHITECTURE", "DECISIONS", "benchmarks/README"],
    "Contribute": ["CONTRIBUTING", "SECURITY", "CHANGELOG"],
}
_FIRST = '<!doctype html><title>zakar</title><meta http-equiv="refresh" content="0; url=README.html">\n'


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put the navigation at the end of the first page, which shows none of it in a repository's web view."""
    if page == root_doc:
        parts = (["```{toctree}", ":hidden:", f":caption: {part}", "", *NAVIGATION[part], "```"] for part in NAVIGATION)
        source[0] += "\n\n" + "\n\n".join("\n".join(part) for part in parts) + "\n"


def unlink_folders(app: Sphinx, page: nodes.document) -> None:
    """Leave the words of a link to a folder of the repository alone: the site has no folders."""
    here = Path(app.env.doc2path(app.env.docname)).parent
    for link in list(page.findall(pending_xref)):
        if (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Lead whoever opens the site's folder to its first page."""
    if error is None:
        (Path(app.outdir) / "index.html").write_text(_FIRST, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Be called by Sphinx."""
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", unlink_folders)
    app.connect("build-finished", write_index)
