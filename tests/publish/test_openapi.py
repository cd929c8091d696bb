"""The application does what its OpenAPI description says, whatever it is asked."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from support.browsing import Site

ENDLESS = "/api/v1/events"
"""An answer that never ends is no case for this; tests/publish/test_feed.py listens to it."""


@pytest.mark.untraced
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_described(
    site: Site, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good and bad requests alike get a described status, content type and body, never a 5xx.

    That every value of the right form is accepted is not asked: no schema says which dates exist.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    schema = schemathesis.openapi.from_url(f"{site.url}/openapi.json").exclude(path=ENDLESS)
    request = set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not operation.query:
            continue  # nothing can be wrong where nothing can be given

        @seed(1)
        @settings(
            max_examples=25,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def conforms(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        conforms()
        request.add(operation.path)
    assert {"/api/v1/hours", "/api/v1/weeks", "/api/v1/profile", "/api/v1/countries"} <= request
