"""TLS of the local host: certificates that are good, wrong, locked and renewed."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

import azure.functions as func
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azure_durable_py.app import DFApp
from azure_durable_py.errors import SettingsError
from azure_durable_py.hosting.local.host import LocalHost, Options
from azure_durable_py.hosting.local.limits import HttpLimits
from azure_durable_py.hosting.local.tls import Certificate, CertificateFiles
from tests.hosting.local.serving import Serve, Served


class Issued:
    """A certificate for localhost that signs itself, in the files `NAME.crt` and `NAME.key`."""

    def __init__(self, directory: Path, name: str, password: bytes | None = None) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.timezone.utc)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        self.crt, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        self.crt.write_bytes(self.certificate.public_bytes(pem))
        self.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, lock))

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


@pytest.fixture
def issue(tmp_path: Path) -> Callable[..., Issued]:
    return lambda name="host", password=None: Issued(tmp_path, name, password)


Issue = Callable[..., Issued]


def trusting(issued: Issued) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(issued.crt))
    context.check_hostname = False
    return context


async def shown(served: Served, context: ssl.SSLContext) -> tuple[bytes, str]:
    """The certificate that the server shows, and the version of TLS."""
    port = int(served.origin.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    tls = writer.get_extra_info("ssl_object")
    found = tls.getpeercert(binary_form=True), tls.version()
    writer.close()
    await writer.wait_closed()
    return found


async def test_https_is_spoken_and_told_in_addresses(app: DFApp, serve: Serve, issue: Issue) -> None:
    @app.route(route="url")
    def url(req: func.HttpRequest) -> str:
        return req.url

    issued = issue()
    served = await serve(certificate=Certificate(CertificateFiles(issued.crt, issued.key)))
    assert served.origin.startswith("https://127.0.0.1:")
    status, _, body = await served.ask("GET", "/api/url", ssl=trusting(issued))
    assert (status, body.decode()) == (200, f"{served.origin}/api/url")
    await served.ask("GET", "/runtime/webhooks/durabletask/instances", ssl=trusting(issued))
    assert served.managed[0].base_url == f"{served.origin}/runtime/webhooks/durabletask"


async def test_old_versions_of_tls_are_not_spoken(serve: Serve, issue: Issue) -> None:
    issued = issue()
    certificate = Certificate(CertificateFiles(issued.crt, issued.key))
    assert certificate.context.minimum_version >= ssl.TLSVersion.TLSv1_2
    served = await serve(certificate=certificate)
    assert (await shown(served, trusting(issued)))[1] == "TLSv1.3"


async def test_who_speaks_no_tls_is_sent_away_and_keeps_nobody_out(
    serve: Serve, issue: Issue, caplog: pytest.LogCaptureFixture
) -> None:
    issued = issue()
    limits = HttpLimits(max_connections=4)
    served = await serve(certificate=Certificate(CertificateFiles(issued.crt, issued.key)), limits=limits)
    plain = await served.connect()
    await plain.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP/1.1" not in await plain.ended()
    silent = [await served.connect() for _ in range(20)]
    assert (await served.ask("GET", "/", ssl=trusting(issued)))[0] == 200
    for one in silent[:10]:
        assert await one.ended() == b""
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_key_and_certificate_may_be_in_one_file(issue: Issue, tmp_path: Path) -> None:
    issued = issue()
    both = tmp_path / "both.pem"
    both.write_bytes(issued.crt.read_bytes() + issued.key.read_bytes())
    Certificate(CertificateFiles(both))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("nowhere.crt", "host.key", None), r"--certfile: .*nowhere\.crt cannot be read: No such file"),
        (("host.crt", "nowhere.key", None), r"--keyfile: .*nowhere\.key cannot be read: No such file"),
        ((".", "host.key", None), "--certfile: .* cannot be read: (Is a directory|Permission denied)"),
        (("host.crt", None, None), r"host\.crt has no private key in PEM form\. Name .* with --keyfile"),
        (("host.key", "host.key", None), r"host\.key has no certificate in PEM form\. Name .* with --certfile"),
        (("host.crt", "other.key", None), r"other\.key is not the key of the certificate in .*host\.crt"),
        (("locked.crt", "locked.key", None), r"its password is missing\. Put it into AZURE_DURABLE_KEYFILE_PASSWORD"),
        (("locked.crt", "locked.key", "guess"), r"its password is wrong\. Put it into AZURE_DURABLE_KEYFILE_PASSWORD"),
        (("text.txt", "host.key", None), r"text\.txt has no certificate in PEM form"),
    ],
)
def test_wrong_files_are_refused_with_the_mend(
    issue: Issue, tmp_path: Path, files: tuple[str, str | None, str | None], message: str
) -> None:
    issue()
    issue("other")
    issue("locked", b"sesame")
    (tmp_path / "text.txt").write_text("no certificate\n")
    certfile, keyfile, password = files
    with pytest.raises(SettingsError, match=message):
        Certificate(CertificateFiles(tmp_path / certfile, tmp_path / keyfile if keyfile else None, password))


def test_a_locked_key_is_opened(issue: Issue) -> None:
    issued = issue("locked", b"sesame")
    Certificate(CertificateFiles(issued.crt, issued.key, "sesame"))


async def test_a_renewed_certificate_is_shown_and_a_broken_one_is_not(
    serve: Serve, issue: Issue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    old, new = issue(), issue("new")
    certificate = Certificate(CertificateFiles(old.crt, old.key))
    served = await serve(certificate=certificate)
    context = trusting(old)
    context.load_verify_locations(str(new.crt))
    certificate.look()
    assert (await shown(served, context))[0] == old.der
    new.key.replace(old.key)
    certificate.look()
    assert "The certificate has changed and cannot be used; the old one is kept." in caplog.text
    assert (await shown(served, context))[0] == old.der
    new.crt.replace(old.crt)
    certificate.look()
    assert f"The certificate was read again from {old.crt}." in caplog.text
    assert (await shown(served, context))[0] == new.der


APP = "import azure_durable_py as df\n\napp = df.DFApp()\n"


@pytest.mark.usefixtures("clean_process")
async def test_the_host_serves_https_by_its_options(issue: Issue, tmp_path: Path) -> None:
    issued = issue("locked", b"sesame")
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "local.settings.json").write_text('{"Values": {"AZURE_DURABLE_KEYFILE_PASSWORD": "sesame"}}')
    options = Options(tmp_path, port=0, storage="memory", certfile=issued.crt, keyfile=issued.key)
    host = LocalHost(options, {})
    try:
        assert (await host.start()).origin.startswith("https://")
    finally:
        await host.stop()


@pytest.mark.usefixtures("clean_process")
def test_a_key_without_a_certificate_is_refused(issue: Issue, tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(APP)
    with pytest.raises(SettingsError, match="--keyfile is given without --certfile"):
        LocalHost(Options(tmp_path, port=0, storage="memory", keyfile=issue().key), {})
