"""Every page of the Licensing window without a service: rendered as the window does, with its files and headers."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page, Route

from services.device.window.code_entry import EntryOptions
from services.device.window.forms import Mistake, TypedCode
from services.device.window.history import history_of
from services.device.window.routes import SENT_TWICE
from services.device.window.sentences import error_page, not_opened_page
from services.device.window.sentences.errors import ERROR_PAGES, LINKS, ErrorPage
from services.device.window.values import Page as Shown
from services.device.window.window import ASSETS, FOLDER, window_path
from shared.pages import HEADERS, Renderer
from tests.device import histories
from tests.device.test_life import lived
from tests.device.window.samples import NAMED, page, state
from tests.scenarios import END, NOON, B, C, D, rejected, verified

ORIGIN = "http://window.test"
RENDERER = Renderer(FOLDER, prefix=ASSETS)
BY_PATH = {asset.path: asset for asset in RENDERER.assets.values()}

ADD_ON = {"device_id": "other", "version": 1, "product": "vpn", "status": "active", "works_until": END.isoformat()}
UNUSUAL: Mapping[str, Callable[[], Shown]] = {
    "rejected": lambda: page([*histories.VERIFYING, rejected(B, "wrong_region")], NOON),
    "with notices": lambda: page(
        [*histories.VERIFYING, verified(B, notices=("seats_exhausted", "other_edition", "less_than_full_term"))], NOON
    ),
    "stale": lambda: state("active", stale=True),
    "not yet shown": lambda: state("active", current=False),
    "wrong clock and copied": lambda: state(
        "active", clock_deviates=True, clock_offset_seconds=-7_200, clone_suspected=True
    ),
    "with an add-on": lambda: state("active", add_ons=[ADD_ON]),
    "last day": lambda: page(histories.ACTIVE, END),
}
WRONG = Mistake("The 2nd group contains Cyrillic 'А', which looks like the Latin A; type it on a Latin keyboard.", (2,))
SHORT = Mistake("A code has 20 symbols; this one has 19. Check the fourth group.", (4,))
TYPED = TypedCode(("7KQ2M", "XА4TP", "9R3WD", "H6VN1"))


def _windows() -> Mapping[str, Shown]:
    return {**{name: state(name) for name in NAMED}, **{name: made() for name, made in UNUSUAL.items()}}


def _entries() -> dict[str, str]:
    empty = {
        "typed": TypedCode().groups,
        "options": EntryOptions(),
        "mistake": None,
        "prior_mistake": None,
        "problem": None,
    }
    mistake = {**empty, "typed": TYPED.shown(), "mistake": WRONG}
    prior = {**empty, "options": EntryOptions(prior="7KQ2M-XA4TP"), "prior_mistake": SHORT}
    return {
        "enter a code": _render("code_entry.html", page=state("active"), **empty),
        "enter another code": _render("code_entry.html", page=state("active, ready"), **empty),
        "enter a code on a trial": _render("code_entry.html", page=state("trial"), **empty),
        "enter a code, wrong": _render("code_entry.html", page=state("active"), **mistake),
        "enter a code, prior wrong": _render("code_entry.html", page=state("active"), **prior),
        "enter a code, sent twice": _render(
            "code_entry.html", page=state("active"), **{**empty, "problem": SENT_TWICE}
        ),
    }


def _added() -> dict[str, str]:
    states = ("active", "active, verifying", "active, ready", "active, ready, incoming", "unlicensed, activating")
    pages = {name: state(name) for name in states} | {"rejected": UNUSUAL["rejected"]()}
    return {f"added: {name}": _render("added.html", page=shown) for name, shown in pages.items()}


def _histories() -> dict[str, str]:
    lives = {"history": [*histories.REPLACING, rejected(C, "wrong_region")], "history, none": histories.UNLICENSED}
    return {
        name: _render("history.html", page=state("active"), history=history_of(lived(events), now=NOON))
        for name, events in lives.items()
    }


def _errors() -> dict[str, str]:
    pages: dict[str, ErrorPage] = {word: error_page(word) for word in ERROR_PAGES}
    pages |= {f"link {reason}": not_opened_page("link", reason) for reason in LINKS}
    pages |= {f"session {reason}": not_opened_page("session", reason) for reason in ("missing", "expired")}
    retry = window_path(D)
    return {
        f"error: {word}": _render("error.html", error=page, retry=retry if page.may_retry else None)
        for word, page in pages.items()
    }


def _render(template: str, **values: Any) -> str:
    more = {"form_token": "0" * 64, "order": lambda name: f"{name}-1"}
    return RENDERER.html(template, accept_language="en-GB", **more, **values)


def every_page() -> dict[str, str]:
    """Return the HTML of every page by its name."""
    windows = {name: _render("licensing.html", page=shown) for name, shown in _windows().items()}
    opening = {"opening": _render("opening.html", here=window_path(D))}
    return {**windows, **_entries(), **_added(), **_histories(), **_errors(), **opening}


def slug(name: str) -> str:
    """Return the name in a form for URLs and file names."""
    return "-".join(re.findall(r"\w+", name.replace("…", "and").lower()))


class Stage:
    """A browser page that can show every page of the window, as if a service served it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._pages = {f"/{slug(name)}": html for name, html in every_page().items()}
        page.route(f"{ORIGIN}/**", self._serve)

    def shows(self, name: str) -> None:
        """Show a page with its style and scripts."""
        self.page.goto(f"{ORIGIN}/{slug(name)}")

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if (html := self._pages.get(path)) is not None:
            route.fulfill(body=html, headers={**HEADERS, "Content-Type": "text/html"})
        elif (asset := BY_PATH.get(path)) is not None:
            route.fulfill(body=asset.content, headers={"Content-Type": asset.media_type})
        elif not path.endswith("/stream"):
            # links and forms lead nowhere
            route.fulfill(status=204)
        # the stream gets no answer: any answer would look like a lost connection
