"""Renders pages to HTML. Every value is escaped and nothing is inline, so the strictest content policy applies."""

from pathlib import Path
from typing import Any

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.pages.assets import read_assets
from shared.pages.dates import Dates
from shared.pages.texts import MaskedCode, Moment

SHARED = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # neither the browser nor a proxy keeps what is typed here
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language, Cookie",
}


class Renderer:
    """Templates and static files of a package, in front of the shared ones; the files are served under `prefix`."""

    def __init__(self, folder: Path, *, prefix: str) -> None:
        self.assets = read_assets((SHARED / "assets", folder / "assets"), prefix=prefix)
        self._environment = Environment(
            loader=FileSystemLoader([folder / "templates", SHARED / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "asset": lambda name: self.assets[name].path,
            "Moment": Moment,
            "MaskedCode": MaskedCode,
        }

    def html(self, template: str, *, accept_language: str | None, **values: Any) -> str:
        """Return a page as HTML."""
        dates = Dates.for_languages(accept_language)
        return self._environment.get_template(template).render(html=dates.html, **values)

    def response(self, template: str, *, accept_language: str | None, status: int = 200, **values: Any) -> Response:
        """Return a page as an HTTP response."""
        html = self.html(template, accept_language=accept_language, **values)
        return Response(html, status, headers=HEADERS, media_type="text/html")
