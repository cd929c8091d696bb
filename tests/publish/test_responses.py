"""The forms of the JSON answers."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, TypeAdapter

from donkeywatch.publish import readiness_schema, responses

MODELS = [
    model
    for model in {**vars(responses), **vars(readiness_schema)}.values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_every_example_is_a_valid_value(model: type[BaseModel]) -> None:
    """What the documentation shows could be an answer."""
    result = 0
    for field in model.model_fields.values():
        assert field.annotation is not None
        for example in field.examples or []:
            TypeAdapter(field.annotation).validate_python(example, strict=True)
            result += 1
    assert result


def test_no_address_can_be_in_an_answer() -> None:
    """Every text in an answer is a topic, a category, a country, a time or a reason."""
    texts = {
        (model.__name__, name)
        for model in MODELS
        for name, field in model.model_fields.items()
        if "str" in str(field.annotation)
    }
    assert texts == {
        ("BreakResponse", "time"), ("BreakResponse", "kind"),
        ("CountriesResponse", "week"), ("CountryResponse", "country"),
        ("CountryTopic", "topic"), ("IndexPath", "path"), ("IndexPath", "summary"),
        ("IndexResponse", "version"), ("RequestError", "message"), ("RequestError", "remedy"),
        ("FractionsResponse", "lexicon"), ("Health", "state"), ("Health", "reasons"),
        ("Health", "notices"), ("WindowPage", "next"),
        ("ProfileResponse", "topic"), ("ProfileResponse", "countries"),
        ("SourceHealth", "name"), ("SourceHealth", "error"),
        ("SourceHealth", "last_event"), ("TopicResponse", "topic"),
        ("TopicResponse", "addresses"), ("TopicResponse", "address_fraction"),
        ("TopicResponse", "categories"), ("SpliceResponse", "time"), ("SpliceResponse", "topic"),
        ("SpliceResponse", "since"), ("WindowResponse", "window"),
        ("WindowResponse", "start"), ("WindowResponse", "end"),
        ("WindowResponse", "week"),
    }  # fmt: skip
