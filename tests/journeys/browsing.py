"""A browser without JavaScript: it follows redirects, keeps cookies, fills in forms and presses their buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self

import httpx

from services.cli.system import System
from shared.settings.certificates import authorities_for
from tests.journeys.people import REQUEST_SECONDS, OwnedDevice, expect

VOID = {"meta", "link", "input", "hr", "br"}


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes, what it sends by itself, and its button."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    button: str = ""
    disabled: bool = False


class Page(HTMLParser):
    """What a reader finds on a page: its text as lines, its forms, the instants behind its times."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.instants: list[str] = []
        self.title = ""
        self._words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a tag."""
        said = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        match tag:
            case "form":
                self.forms.append(Form(said.get("method", "get"), said["action"]))
            case "input" if self.forms and "form" in self._open:
                if said.get("type") not in ("checkbox", "radio") or "checked" in said:
                    self.forms[-1].fields[said["name"]] = said.get("value", "")
            case "button":
                self.forms[-1].disabled = "disabled" in said
            case "time":
                self.instants.append(said["datetime"])

    def handle_endtag(self, tag: str) -> None:
        """Take in the end of a tag."""
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        """Take in text."""
        if "title" in self._open:
            self.title += data
            return
        self._words.append(data)
        if "button" in self._open:
            self.forms[-1].button += data.strip()

    def form(self, button: str) -> Form:
        """Return the form whose button says so."""
        return next(form for form in self.forms if form.button == button)

    def offers(self, button: str) -> bool:
        """Whether a button says so and can be pressed."""
        return any(form.button == button and not form.disabled for form in self.forms)


class Browser:
    """One person's browser. It remembers where it was."""

    def __init__(self, system: System) -> None:
        url = system.worker("device").url
        self.http = httpx.Client(base_url=url, timeout=REQUEST_SECONDS, trust_env=False, verify=authorities_for(url))
        self.addresses: list[str] = []
        self.status = 0
        self.page = Page("")

    @classmethod
    def at_the_window(cls, system: System, device: OwnedDevice) -> Self:
        """Return a browser that shows the device's window, opened by a link."""
        browser = cls(system)
        browser.goes_to(link_to(device))
        assert browser.status == 200, browser.page.text
        return browser

    def goes_to(self, path: str) -> Page:
        """Open an address."""
        return self._shows(self.http.get(path, follow_redirects=True))

    def sends(self, form: Form, /, **typed: str) -> Page:
        """Send a form with what was typed into it."""
        filled = {**form.fields, **typed}
        if form.method == "get":
            return self.goes_to(form.action)
        return self._shows(self.http.post(form.action, data=filled, follow_redirects=True))

    def presses(self, button: str, **typed: str) -> Page:
        """Press a button of the page that is shown."""
        assert self.page.offers(button), f"no {button}: {self.page.text}"
        return self.sends(self.page.form(button), **typed)

    def enters(self, code: str, **more: str) -> Page:
        """Go the article's way up to Add."""
        entry = next(name for name in ("Enter activation code", "Enter another code") if self.page.offers(name))
        self.presses(entry)
        return self.presses("Add", group1=code, **more)

    def _shows(self, response: httpx.Response) -> Page:
        self.addresses += [str(step.url) for step in (*response.history, response)]
        self.status, self.page = response.status_code, Page(response.text)
        return self.page


def link_to(device: OwnedDevice) -> str:
    """Return the path of a fresh link to the device's window."""
    return str(expect(201, device.http.post(f"{device.path}/licensing-link"))["path"])
