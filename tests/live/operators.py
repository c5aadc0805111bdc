"""An operator, an account whose JetStream limits are counted by replicas, and a user of it: their JWTs."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import nkeys


class _Key:
    def __init__(self, kind: int) -> None:
        self.seed = nkeys.encode_seed(secrets.token_bytes(32), kind)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def signed(self, subject: "_Key", kind: str, claims: dict[str, Any]) -> str:
        """A JWT of this key's about another's."""
        body = {"jti": secrets.token_hex(8), "iat": 1_700_000_000, "iss": self.public, "sub": subject.public}
        body |= {"name": kind, "nats": {"type": kind, "version": 2, **claims}}
        text = f"{_encoded({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_encoded(body)}"
        return f"{text}.{_base64(self._pair.sign(text.encode()))}"


def tiered(folder: Path, **tiers: dict[str, Any]) -> tuple[str, Path]:
    """Lines of server configuration for an account with limits by number of replicas; a user's credentials file."""
    operator, system, team, user = map(
        _Key, (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER)
    )
    free = {"subs": -1, "data": -1, "payload": -1}
    plain = free | {"imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
    limits = {name: {"streams": -1, "consumer": -1, "mem_storage": 0} | tier for name, tier in tiers.items()}
    accounts = {
        system: operator.signed(system, "account", {"limits": plain}),
        team: operator.signed(team, "account", {"limits": plain | {"tiered_limits": limits}}),
    }
    creds = folder / "ana.creds"
    creds.write_text(
        f"-----BEGIN NATS USER JWT-----\n{team.signed(user, 'user', free)}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    preloaded = "\n".join(f"{key.public}: {jwt}" for key, jwt in accounts.items())
    extra = f"operator: {operator.signed(operator, 'operator', {})}\nsystem_account: {system.public}\n"
    return f"{extra}resolver: MEMORY\nresolver_preload: {{\n{preloaded}\n}}\n", creds


def _encoded(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
