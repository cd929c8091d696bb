"""What panels ask Prometheus for: selectors, queries, variables and annotations."""

from __future__ import annotations

from collections.abc import Mapping

Json = Mapping[str, object]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = 'job=~"$job",instance=~"$instance"'
TOPIC = f'{HERE},topic=~"$topic"'
REJECTED = 'outcome!~"query|keywordless|other"'
"""Lines that look like a search and could not be counted."""
REF_IDS = "ABCDEFGHIJ"


def metric(name: str, *matchers: str, of_topic: bool = False) -> str:
    """A selector of one of donkeywatch's metrics on the chosen servers."""
    return f"donkeywatch_{name}{{{','.join([TOPIC if of_topic else HERE, *matchers])}}}"


def rate(name: str, *matchers: str, of_topic: bool = False) -> str:
    """A counter per second."""
    return f"rate({metric(name, *matchers, of_topic=of_topic)}[$__rate_interval])"


def increase(name: str, *matchers: str) -> str:
    """How much a counter grew in an interval of the panel."""
    return f"increase({metric(name, *matchers)}[$__rate_interval])"


def targets(*pairs: tuple[str, str]) -> list[Json]:
    """Queries over time, from expressions and their legends."""
    return [
        {**_target(ref, expression), "legendFormat": legend, "range": True}
        for ref, (expression, legend) in zip(REF_IDS, pairs, strict=False)
    ]


def instants(*expressions: str) -> list[Json]:
    """Queries of now, as tables with a column for each label."""
    return [
        {**_target(ref, expression), "format": "table", "instant": True, "range": False}
        for ref, expression in zip(REF_IDS, expressions, strict=False)
    ]


def _target(ref: str, expression: str) -> dict[str, object]:
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
    }


def _variable(name: str, label: str, query: str, **more: object) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "allValue": ".+",
        **more,
    }


def variables(*, every_instance: bool, topic: bool) -> list[Json]:
    """Data source, job and instance, and topics; all instances at once where that is asked."""
    build = "donkeywatch_build_info"
    all_of_them = {"includeAll": True, "current": {"text": ["All"], "value": ["$__all"]}}
    result: list[Json] = [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        _variable("job", "Job", f"label_values({build}, job)"),
        _variable(
            "instance", "Instance", f'label_values({build}{{job=~"$job"}}, instance)',
            **all_of_them if every_instance else {},
        ),
    ]  # fmt: skip
    if topic:
        query = f"label_values(donkeywatch_topic_queries_total{{{HERE}}}, topic)"
        result.append(_variable("topic", "Topic", query, **all_of_them))
    return result


def breaks(colour: str) -> Json:
    """Marks where the measurement itself changed: the value of the series is the time, in ms."""
    return {
        "name": "Breaks",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": f"{metric('last_break_timestamp_seconds')} * 1000",
        "step": "1m",
        "titleFormat": "Break of {{instance}}",
        "textFormat": "{{kind}} changed; no trend may be drawn across this",
        "tagKeys": "kind",
        "useValueForTime": True,
    }
