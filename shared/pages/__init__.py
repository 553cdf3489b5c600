"""What the pages for people of both services share: one design, drawing, static files, forms, times and codes in words.

A service's pages stand in a room with `templates/` and `assets/` of its own; `Drawing` puts them beside the shared
ones. It knows no service and no rule, and nothing of it opens anything.
"""

from shared.pages.assets import add_assets
from shared.pages.dates import Dates
from shared.pages.drawing import HEADERS, Drawing
from shared.pages.forms import FORM_BYTES_MAX, Form, NotOurForm, form_token_of, has_made, order_of, read_form
from shared.pages.texts import Masked, Moment, Text, plain, text

__all__ = [
    "FORM_BYTES_MAX",
    "HEADERS",
    "Dates",
    "Drawing",
    "Form",
    "Masked",
    "Moment",
    "NotOurForm",
    "Text",
    "add_assets",
    "form_token_of",
    "has_made",
    "order_of",
    "plain",
    "read_form",
    "text",
]
