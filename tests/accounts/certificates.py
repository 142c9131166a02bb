"""Client certificates, and how a proxy writes of them."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.x509.oid import NameOID


def client_certificate(*, common_name: str | None = "alice", organization: str = "Acme") -> str:
    """A certificate in PEM. Whoever reads it has to believe who passed it on."""
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]
    if common_name is not None:
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name(names))
        .public_key(key.public_key())
        .serial_number(0xABC123)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def element(pem: str) -> str:
    """How a proxy writes down the certificate of the connection it relays."""
    return f'By=spiffe://proxy;Hash=00;Cert="{quote(pem, safe="")}"'
