"""What a message says: a template and the values of one step."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.notifications.policy.wording import Template


@dataclass(frozen=True, kw_only=True)
class Told:
    title: str
    body: str
    next_step: str
    # Set in decisions against the applicant: where, by when and how to appeal.
    remedy: str | None


def compose(template: Template, *, values: Mapping[str, str], remedy: str | None) -> Told:
    assert (template.remedy is None) == (remedy is None), "a message has a remedy exactly when its template does"
    return Told(
        title=template.title_zh.format_map(values),
        body=template.body_zh.format_map(values),
        next_step=template.next_step_zh.format_map(values),
        remedy=remedy,
    )
