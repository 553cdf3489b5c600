"""An operator at the console of a running system: a browser without scripts that is logged in."""

import httpx

from services.cli.system import System
from shared.settings.certificates import authorities_for
from tests.journeys.browsing import Page
from tests.journeys.people import REQUEST_SECONDS


class Console:
    """An operator's browser. `shown` is the page as it came, `page` what a reader finds on it."""

    def __init__(self, system: System) -> None:
        url = system.worker("activation").url
        self.http = httpx.Client(
            base_url=url, timeout=REQUEST_SECONDS, trust_env=False, verify=authorities_for(url), follow_redirects=True
        )
        self.addresses: list[str] = []
        self.page = Page(self.http.get("/console/login").text)
        self.presses("Log in", name="Grace", key=system.credentials.operator_key)

    def goes_to(self, path: str) -> str:
        """Open an address and return what the page says."""
        return self._shows(self.http.get(path))

    def presses(self, button: str, **typed: str) -> str:
        """Press a button of the page that is shown and return what the next page says."""
        form = self.page.form(button)
        return self._shows(self.http.post(form.action, data={**form.fields, **typed}))

    def _shows(self, response: httpx.Response) -> str:
        assert response.status_code == 200, response.text
        self.addresses += [str(step.url) for step in (*response.history, response)]
        self.shown, self.page = response, Page(response.text)
        return self.page.text
