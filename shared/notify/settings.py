"""Settings of notifications: which runs, and which channels."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr

from shared.settings.base import Group, Settings, setting
from shared.settings.step import StepSettings

__all__ = ["CloseSettings", "NotifySettings"]


def _web(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith(("http://", "https://")):
        raise ValueError("it is not a web address; expected https://host/path")
    return value


_NOTIFICATIONS: Final = Group("Notifications", 40)
_ENDED: Final = Group("Which run ended, and how", 10)


class NotifySettings(Settings):
    """Settings of the channels; a channel without an address is off."""

    notify_on: Literal["failed", "always", "never"] = setting(
        "failed",
        description="Send notifications about failed runs, about all runs, or never.",
        detail="A run that someone stopped does not count as failed.",
        group=_NOTIFICATIONS,
    )
    notify_webhook_url: Annotated[SecretStr | None, AfterValidator(_web)] = setting(
        None,
        description="POST notifications as JSON to this URL.",
        detail="The schema is docs/schemas/notification.schema.json.",
        secret=True,
        group=_NOTIFICATIONS,
    )
    notify_smtp_host: str | None = setting(
        None, description="Send mail through this server; without it, send no mail.", group=_NOTIFICATIONS
    )
    notify_smtp_port: Annotated[int, Field(ge=1, le=65535)] = setting(
        587, description="Connect to the mail server on this port.", group=_NOTIFICATIONS
    )
    notify_smtp_security: Literal["starttls", "tls", "none"] = setting(
        "starttls",
        description="Encrypt the connection to the mail server.",
        detail="tls encrypts it from the start, usually on port 465.",
        group=_NOTIFICATIONS,
    )
    notify_smtp_user: str | None = setting(
        None, description="Log in as this user; without it, do not log in.", group=_NOTIFICATIONS
    )
    notify_smtp_password: SecretStr | None = setting(
        None, description="Log in with this password.", secret=True, group=_NOTIFICATIONS
    )
    notify_smtp_from: str | None = setting(None, description="Send mail from this address.", group=_NOTIFICATIONS)
    notify_smtp_to: tuple[str, ...] = setting((), description="Send mail to these addresses.", group=_NOTIFICATIONS)
    notify_timeout_s: Annotated[float, Field(gt=0, le=120)] = setting(
        15.0,
        unit="s",
        description="Give up on a webhook or mail server after this time.",
        group=_NOTIFICATIONS,
    )
    notify_link: str | None = setting(
        None,
        description="Link to the page of the run with this template.",
        detail="For example https://argo.example/workflows/{namespace}/{workflow}; {run_id} and {pipeline} are also"
        " replaced.",
        group=_NOTIFICATIONS,
    )


class CloseSettings(StepSettings, NotifySettings, pipeline="runs"):
    """Settings of `telecine runs close`: the variables of an Argo exit hook."""

    workflow_status: Literal["Succeeded", "Failed", "Error"] = setting(
        description="Pass the Workflow's final status: {{workflow.status}}.", group=_ENDED
    )
    failures: str = setting(
        "[]",
        description="Pass the failed nodes as JSON: {{workflow.failures}}.",
        detail="Argo quotes the JSON. A list that is cut keeps its complete entries.",
        group=_ENDED,
        cut=True,
    )
    failures_total: Annotated[int, Field(ge=0)] | None = setting(
        None,
        default_text="as many as listed",
        description="Pass the number of failed nodes, if the list may be cut.",
        group=_ENDED,
    )
    of: str = setting(
        "workflow",
        description="Record a run that failed before its first step under this pipeline.",
        group=_ENDED,
    )
    workflow: str | None = setting(None, description="Pass the Workflow's name.", shared=True, group=_ENDED)
    namespace: str | None = setting(None, description="Pass the Workflow's namespace.", shared=True, group=_ENDED)
