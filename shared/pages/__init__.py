"""What the HTML pages of both services share: design, rendering, static files, forms, and texts with times and codes.

A service's pages live in a package with its own `templates/` and `assets/`; `Renderer` combines them with the shared
ones. Nothing here knows a service or a rule, or opens a connection.
"""

from shared.pages.assets import add_assets
from shared.pages.dates import Dates
from shared.pages.forms import (
    FORM_BYTES_MAX,
    Form,
    NotOurForm,
    form_token_matches,
    form_token_of,
    idempotency_key_of,
    read_form,
)
from shared.pages.rendering import HEADERS, Renderer
from shared.pages.texts import MaskedCode, Moment, Text, plain, text

__all__ = [
    "FORM_BYTES_MAX",
    "HEADERS",
    "Dates",
    "Form",
    "MaskedCode",
    "Moment",
    "NotOurForm",
    "Renderer",
    "Text",
    "add_assets",
    "form_token_matches",
    "form_token_of",
    "idempotency_key_of",
    "plain",
    "read_form",
    "text",
]
