"""The Licensing window: what the person at the device sees and presses, as pages that work without JavaScript.

`links` lets the right person in, `routes` takes what was pressed, and `page` says what is shown, in the words of
`sentences`. It decides nothing: its forms become the orders of the API, and its buttons follow what the API says.
"""

from services.device.window.forms import PAGES
from services.device.window.opening import Window
from services.device.window.routes import routes
from shared.pages import FORM_BYTES_MAX

__all__ = ["FORM_BYTES_MAX", "PAGES", "Window", "routes"]
