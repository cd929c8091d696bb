"""A scrape is worth as much as what has changed since the last one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.metrics.exposition_cache import ExpositionCache

PLAIN, OPEN = "text/plain", "application/openmetrics-text;version=1.0.0"


class Counted(Collector):
    """Counts how often it is collected."""

    def __init__(self) -> None:
        self.times = 0

    def describe(self) -> list[Metric]:
        """Nothing is collected at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One gauge."""
        self.times += 1
        yield GaugeMetricFamily("collected", "How often.", self.times)


class Scraped:
    """An exposition over a status that can be changed."""

    def __init__(self, status: Status) -> None:
        self.status, self.collector = status, Counted()
        self._exposition = ExpositionCache(self.collector, lambda: self.status)

    def scrape(self, accept: str = PLAIN) -> str:
        """The value that is told."""
        body, _ = self._exposition.text(accept)
        return next(x for x in body.decode().splitlines() if x.startswith("collected ")).split()[1]


def test_nothing_is_written_twice_while_nothing_changes() -> None:
    """And a change of the database or of the status is told at once."""
    scraped = Scraped(Status(change_counter=(0, 7)))
    assert [scraped.scrape(), scraped.scrape()] == ["1.0", "1.0"]
    scraped.status = replace(scraped.status, change_counter=(0, 8))
    assert [scraped.scrape(), scraped.scrape()] == ["2.0", "2.0"]
    scraped.status = replace(scraped.status, last_commit_ok=False)
    assert scraped.scrape() == "3.0"
    scraped.status = replace(scraped.status, last_commit_ok=False)
    assert scraped.scrape() == "3.0"


def test_each_form_is_written_for_who_asks_for_it() -> None:
    """One scraper's form is never another's answer."""
    exposition = ExpositionCache(Counted(), lambda: Status(change_counter=(0, 1)))
    for _ in range(2):
        body, kind = exposition.text(PLAIN)
        assert kind.startswith("text/plain")
        assert b"# EOF" not in body
        body, kind = exposition.text(OPEN)
        assert kind.startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")


def test_without_a_revision_nothing_is_remembered() -> None:
    """Who does not count the changes of the database cannot tell that there were none."""
    scraped = Scraped(Status())
    assert [scraped.scrape(), scraped.scrape()] == ["1.0", "2.0"]
