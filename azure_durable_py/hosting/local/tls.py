"""The certificate of the local host, read when it starts and again when its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from azure_durable_py.errors import SettingsError

logger = logging.getLogger(__name__)
PASSWORD_SETTING = "AZURE_DURABLE_KEYFILE_PASSWORD"  # noqa: S105 - the name of a setting
LOOK_EVERY = 10.0


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a certificate is. `keyfile` None: its key is in the same file. `password` opens the key."""

    certfile: Path
    keyfile: Path | None = None
    password: str | None = None


class Certificate:
    """A certificate, and what speaks TLS with it.

    :param files: PEM files; relative ones are those of the current directory.
    :raises SettingsError: they are no certificate and its key.
    """

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._read_at = self._stamps()
        # Versions, ciphers and curves are those that this Python calls safe for servers.
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._load(self.context)

    async def keep(self) -> None:
        """Read the files again whenever they have changed, for ever: new connections get the new certificate."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Read the files again if they have changed since they were last read."""
        stamps = self._stamps()
        if stamps == self._read_at:
            return
        self._read_at = stamps
        try:
            # First into a context that nobody uses: one that fails halfway would have a certificate without its key.
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except SettingsError as error:
            logger.warning("The certificate has changed and cannot be used; the old one is kept. %s", error)
        else:
            logger.info("The certificate was read again from %s.", self._files.certfile)

    def _stamps(self) -> tuple[tuple[float, int] | None, ...]:
        paths = [self._files.certfile, self._files.keyfile or self._files.certfile]
        return tuple(_stamp(path) for path in paths)

    def _load(self, context: ssl.SSLContext) -> None:
        files = self._files
        keyfile = files.keyfile or files.certfile
        for path, option in ((files.certfile, "--certfile"), (keyfile, "--keyfile")):
            _check_readable(path, option)
        # Given a function, OpenSSL never asks at the terminal.
        try:
            context.load_cert_chain(files.certfile, keyfile, password=lambda: files.password or "")
        except (ssl.SSLError, OSError, ValueError) as error:
            raise SettingsError(_reason(files, keyfile, error)) from error


def _reason(files: CertificateFiles, keyfile: Path, error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return f"{keyfile} is not the key of the certificate in {files.certfile}. Name the one that belongs to it."
    text = keyfile.read_text(encoding="latin-1")
    if "PRIVATE KEY-----" not in text:
        return f"{keyfile} has no private key in PEM form. Name the file that has it with --keyfile."
    if "ENCRYPTED" in text:
        problem = "wrong" if files.password else "missing"
        return f"The key in {keyfile} is encrypted, and its password is {problem}. Put it into {PASSWORD_SETTING}."
    if "BEGIN CERTIFICATE" not in files.certfile.read_text(encoding="latin-1"):
        return f"{files.certfile} has no certificate in PEM form. Name the file that has it with --certfile."
    return f"{files.certfile} and {keyfile} cannot be used as certificate and key: {reason or error}."


def _check_readable(path: Path, option: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"{option}: {path} cannot be read: {error.strerror or error}.") from error


def _stamp(path: Path) -> tuple[float, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime, found.st_ino
