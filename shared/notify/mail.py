"""Send a notification as plain-text mail."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError, TransientError
from shared.notify.message import as_text, subject, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.notify.message import Notification
    from shared.notify.settings import NotifySettings

__all__ = ["send"]

_TRANSIENT: Final = range(400, 500)


def send(message: Notification, settings: NotifySettings) -> None:
    """Send one mail to all recipients.

    Raises:
        TransientError: no answer, or a transient one (4xx).
        ConfigurationError: an address is missing; the server rejects the login, an address or the encryption.
    """
    host, sender, to = settings.notify_smtp_host, settings.notify_smtp_from, settings.notify_smtp_to
    if not host or not sender or not to:
        raise ConfigurationError(
            "mail is not fully configured; expected TELECINE_NOTIFY_SMTP_HOST, TELECINE_NOTIFY_SMTP_FROM and"
            " TELECINE_NOTIFY_SMTP_TO",
            code="mail_incomplete",
        )
    mail = EmailMessage()
    mail["Subject"] = subject(message)
    mail["From"] = _header("TELECINE_NOTIFY_SMTP_FROM", sender)
    mail["To"] = _header("TELECINE_NOTIFY_SMTP_TO", ", ".join(to))
    mail["Date"] = format_datetime(message.at)
    # Equal for repeated messages, of which mail programs then show only one.
    mail["Message-ID"] = f"<{token(message)}@telecine>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(as_text(message))
    with _translated(host), _connect(host, settings) as server:
        if settings.notify_smtp_user:
            password = settings.notify_smtp_password
            server.login(settings.notify_smtp_user, password.get_secret_value() if password else "")
        server.send_message(mail)


def _header(variable: str, value: str) -> str:
    if not value.isprintable():
        raise ConfigurationError(
            f"{variable} contains a line break or a control character; expected mail addresses", code="mail_incomplete"
        )
    return value


def _connect(host: str, settings: NotifySettings) -> smtplib.SMTP:
    port, timeout = settings.notify_smtp_port, settings.notify_timeout_s
    context = ssl.create_default_context()
    if settings.notify_smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
    server = smtplib.SMTP(host, port, timeout=timeout)
    if settings.notify_smtp_security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


@contextmanager
def _translated(host: str) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        refused = ", ".join(error.recipients)
        transient = all(code in _TRANSIENT for code in codes)
        raise _error(host, f"rejects {refused}", transient=transient) from None
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise _error(host, f"answered {error.smtp_code} {text}", transient=error.smtp_code in _TRANSIENT) from None
    except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
        raise _error(host, str(error), transient=False) from None
    except (OSError, smtplib.SMTPException) as error:
        raise _error(host, f"does not answer: {error}", transient=True) from None


def _error(host: str, problem: str, *, transient: bool) -> ConfigurationError | TransientError:
    if transient:
        return TransientError(f"the mail server {host} {problem}", code="mail_unavailable")
    return ConfigurationError(f"the mail server {host} {problem}; check TELECINE_NOTIFY_SMTP_…", code="mail_refused")
