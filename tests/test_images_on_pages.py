"""docs/images-on-pages.md works as it is written: its page, its script and its package."""

import html
import json
import re
from pathlib import Path
from urllib.parse import quote

from tests.support.servers import ROOT
from tests.test_browser import open_in_browser, serve_page
from tests.test_graphql_clients import PACKAGES, node

__all__ = ["node"]

PAGE = (ROOT / "docs/images-on-pages.md").read_text()


def block(language: str) -> str:
    """Return the page's only code in a language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


def test_the_script_paints_what_the_page_holds(node: str, tmp_path: Path) -> None:
    package = (PACKAGES / "node_modules/thumbhash/thumbhash.js").read_text()
    imports = {"imports": {"thumbhash": f"data:text/javascript,{quote(package)}"}}
    document = (
        f'<!doctype html><script type="importmap">{json.dumps(imports)}</script>'
        f'<body>{block("html")}<script type="module">{block("js")}</script></body>'
    )
    with serve_page({"/": document}) as origin:
        dom = html.unescape(open_in_browser(origin, tmp_path / "profile"))
    assert re.search(r'<img [^>]*style="background: [^>]*url\("data:image/png;base64,', dom), dom
