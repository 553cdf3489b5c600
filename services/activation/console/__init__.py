"""The support console: shows why a device is unlicensed and acts on codes, as pages that work without JavaScript.

`operators`, `login` and `sessions` let operators in, `console` has what every page needs, and each page has its own
module, which adds its routes. It decides nothing: it shows what the rules say, and its forms become API commands.
"""

from services.activation.console.console import PAGES, Console
from services.activation.console.device_client import DeviceClient, device_client
from services.activation.console.operators import key_login
from services.activation.console.preview_api import preview_door
from services.activation.console.routes import routes

__all__ = ["PAGES", "Console", "DeviceClient", "device_client", "key_login", "preview_door", "routes"]
