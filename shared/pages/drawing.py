"""Draws pages: HTML from values, all of it escaped, nothing inline, so that the strictest policy holds."""

from pathlib import Path
from typing import Any

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.pages.assets import read_assets
from shared.pages.dates import Dates
from shared.pages.texts import Masked, Moment

SHARED = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # what is typed here is not kept, neither by the browser nor by anybody between
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language, Cookie",
}


class Drawing:
    """The templates of a room before the shared ones, and its static files beside them, served below `prefix`."""

    def __init__(self, room: Path, *, prefix: str) -> None:
        self.assets = read_assets((SHARED / "assets", room / "assets"), prefix=prefix)
        self._environment = Environment(
            loader=FileSystemLoader([room / "templates", SHARED / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "asset": lambda name: self.assets[name].path,
            "Moment": Moment,
            "Masked": Masked,
        }

    def text(self, template: str, *, accept_language: str | None, **shown: Any) -> str:
        """Return a page as HTML."""
        dates = Dates.asked(accept_language)
        return self._environment.get_template(template).render(html=dates.html, **shown)

    def response(self, template: str, *, accept_language: str | None, status: int = 200, **shown: Any) -> Response:
        """Return a page as a response."""
        drawn = self.text(template, accept_language=accept_language, **shown)
        return Response(drawn, status, headers=HEADERS, media_type="text/html")
