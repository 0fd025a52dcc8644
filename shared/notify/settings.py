"""Where messages go, and of which runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from shared.settings.base import Settings, setting
from shared.settings.step import StepSettings

__all__ = ["CloseSettings", "NotifySettings"]


def _web(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith(("http://", "https://")):
        raise ValueError("it is no web address; valid is https://host/path")
    return value


class NotifySettings(Settings):
    """The channels; one without its address is off."""

    notify_on: Literal["failed", "always", "never"] = setting(
        "failed",
        description="Which runs are told of: failed ones, all, or none. One that a person stopped is not told.",
    )
    notify_webhook_url: Annotated[SecretStr | None, AfterValidator(_web)] = setting(
        None, description="Gets a POST with a JSON document (docs/schemas/notification.schema.json).", secret=True
    )
    notify_smtp_host: str | None = setting(None, description="Mail server; without it no mail is sent.")
    notify_smtp_port: Annotated[int, Field(ge=1, le=65535)] = setting(587, description="Its port.")
    notify_smtp_security: Literal["starttls", "tls", "none"] = setting(
        "starttls", description="How the connection is encrypted; tls from its beginning, which is port 465."
    )
    notify_smtp_user: str | None = setting(None, description="Name to log in with; without it nobody logs in.")
    notify_smtp_password: SecretStr | None = setting(None, description="Password of that user.", secret=True)
    notify_smtp_from: str | None = setting(None, description="Address that mails come from.")
    notify_smtp_to: tuple[str, ...] = setting((), description="Addresses that mails go to.")
    notify_timeout_s: Annotated[float, Field(gt=0, le=120)] = setting(
        15.0, unit="s", description="How long a webhook or a mail server may take."
    )
    notify_link: str | None = setting(
        None,
        description="Address of a run's page, such as https://argo.example/workflows/{namespace}/{workflow}; {run_id}"
        " and {pipeline} are filled in as well.",
    )


class CloseSettings(StepSettings, NotifySettings, pipeline="runs"):
    """What `telecine runs close` takes: Argo's variables, as its exit hook has them."""

    workflow_status: Literal["Succeeded", "Failed", "Error"] = setting(
        description="How the Workflow ended: {{workflow.status}}."
    )
    failures: str = setting("[]", description="JSON list of the nodes that failed: {{workflow.failures}}.")
    of: str = setting("workflow", description="Pipeline of a run that failed before its first step began.")
    workflow: str | None = setting(None, description="The Workflow's name.", shared=True)
    namespace: str | None = setting(None, description="The Workflow's namespace.", shared=True)
