"""Times in the reader's language and in UTC; a script converts them to local time. Pure."""

from dataclasses import dataclass
from datetime import datetime

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_datetime_format
from markupsafe import Markup

from shared.calendar import in_utc, instant
from shared.pages.texts import MaskedCode, Moment, Text

HEADER_CHARACTERS_MAX = 200
LANGUAGES_MAX = 10
DEFAULT_LOCALE = Locale("en", "GB")


@dataclass(frozen=True, slots=True)
class Dates:
    """Formats dates for one reader."""

    locale: Locale

    @classmethod
    def for_languages(cls, accept_language: str | None) -> "Dates":
        """Return the formatter for the first supported language of an Accept-Language header."""
        return cls(_locale((accept_language or "")[:HEADER_CHARACTERS_MAX]))

    def of(self, at: datetime) -> str:
        """Return the time like `1 March 2027, 12:00 UTC`, in the reader's language."""
        moment = in_utc(at)
        day, time = format_date(moment, "long", self.locale), format_time(moment, "short", locale=self.locale)
        both = str(get_datetime_format("medium", locale=self.locale))
        return both.replace("'", "").replace("{0}", f"{time} UTC").replace("{1}", day)

    def html(self, sentence: Text) -> Markup:
        """Return the text as HTML."""
        return Markup("").join(self._part(part) for part in sentence)

    def _part(self, part: str | Moment | MaskedCode) -> Markup:
        match part:
            case Moment():
                return TIME.format(
                    exact=instant(part.at), language=str(self.locale).replace("_", "-"), at=self.of(part.at)
                )
            case MaskedCode():
                return CODE.format(masked=str(part), last_group=part.last_group)
            case _:
                return Markup.escape(part)


def _locale(accept_language: str) -> Locale:
    languages = [entry.partition(";") for entry in accept_language.split(",")[:LANGUAGES_MAX]]
    by_preference = sorted(languages, key=lambda entry: -_weight(entry[2]))
    return next((locale for tag, _, _ in by_preference if (locale := _parsed(tag.strip()))), DEFAULT_LOCALE)


def _parsed(tag: str) -> Locale | None:
    # American English puts the month first, which half of the readers would misread
    if tag == "en":
        return DEFAULT_LOCALE
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return None


def _weight(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=")) if parameter else 1.0
    except ValueError:
        return 0.0


TIME = Markup('<time datetime="{exact}" title="{exact}" lang="{language}" dir="auto">{at}</time>')
CODE = Markup(
    '<span class="code" dir="ltr" aria-hidden="true">{masked}</span>'
    '<span class="unseen">code ending in {last_group}</span>'
)
