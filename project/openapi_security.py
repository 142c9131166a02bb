"""How the OpenAPI document describes our credentials."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class CredentialSchemes(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Any one of these; spectacular finds this class once it is imported."""

    target_class = "accounts.authentication.PrincipalAuthentication"
    name = ["bearer", "apiKey", "mutualTLS"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, the daemon token, or a token (JWT) of the issuer",
            },
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
            {
                "type": "mutualTLS",
                "description": "A client certificate, where the server is told whom to trust",
            },
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]  # alternatives, not all of them at once
