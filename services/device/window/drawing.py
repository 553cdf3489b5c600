"""Draws the window's pages: HTML from values, all of it escaped, nothing inline, so that the strictest policy holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.device.window.assets import Asset
from services.device.window.dates import Dates

TEMPLATES = Path(__file__).with_name("templates")
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
    """The templates, and where the static files are."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self.assets = assets
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["asset"] = lambda name: assets[name].path

    def text(self, template: str, *, accept_language: str | None, **shown: Any) -> str:
        """Return a page as HTML."""
        dates = Dates.asked(accept_language)
        return self._environment.get_template(template).render(html=dates.html, **shown)

    def response(self, template: str, *, accept_language: str | None, status: int = 200, **shown: Any) -> Response:
        """Return a page as a response."""
        drawn = self.text(template, accept_language=accept_language, **shown)
        return Response(drawn, status, headers=HEADERS, media_type="text/html")
