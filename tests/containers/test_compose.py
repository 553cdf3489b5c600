"""The article's journey, word for word, on the system of docker-compose.yml."""

from tests.journeys.test_article import *  # noqa: F403 - the same tests, no second copy
