"""The Licensing window: what people see and press on a device, as pages that work without JavaScript.

`links` decides who may open it, `routes` handles pages and forms, and `page` builds what is shown from the texts in
`sentences`. It decides nothing about licenses: forms become API commands, and buttons follow what the API says.
"""

from services.device.window.forms import PAGES
from services.device.window.routes import routes
from services.device.window.window import Window
from shared.pages import FORM_BYTES_MAX

__all__ = ["FORM_BYTES_MAX", "PAGES", "Window", "routes"]
