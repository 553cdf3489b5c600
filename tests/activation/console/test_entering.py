"""Who gets into the console, for how long, and what a browser is told."""

from services.activation.console.console import COOKIE
from services.activation.console.sessions import VALID
from tests.activation.console.stand import Stand
from tests.at_the_door import OPERATOR_KEY

PAGE = "/console"


async def test_nobody_gets_in_without_a_login_and_the_page_says_how(stand: Stand) -> None:
    async with stand.browser() as browser:
        page = await browser.get(PAGE)
        assert page.status_code == 401
        assert "Operator key" in page.text


async def test_the_operator_key_opens_a_session_and_stands_in_no_cookie(stand: Stand) -> None:
    async with stand.browser() as browser:
        assert (await browser.log_in(name="Ada <b>")).status_code == 403
        answer = await browser.log_in(name="Ada & Co")
        assert answer.headers["location"] == PAGE
        cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(f"{COOKIE}="))
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert f"Max-Age={int(VALID.total_seconds())}" in cookie
        assert "Path=/console" in cookie
        assert OPERATOR_KEY not in str(dict(browser.cookies))
        page = await browser.get(PAGE)
        assert page.status_code == 200
        assert "Ada &amp; Co" in page.text
