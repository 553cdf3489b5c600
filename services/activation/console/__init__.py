"""The support console: answers why a device is unlicensed, and acts on codes, as pages that work without JavaScript.

`logins` and `sessions` let operators in, `console` is what every page needs, and each page has a module of its own
that adds its routes. It decides nothing: what it shows the rules say, and its forms become the orders of the API.
"""

from services.activation.console.console import PAGES, Console
from services.activation.console.devices import DeviceDoors, device_client
from services.activation.console.logins import key_login
from services.activation.console.previewing import preview_door
from services.activation.console.routes import routes

__all__ = ["PAGES", "Console", "DeviceDoors", "device_client", "key_login", "preview_door", "routes"]
