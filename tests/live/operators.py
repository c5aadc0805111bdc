"""Operators, accounts and users: their JWTs."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import nkeys

_FREE = {"subs": -1, "data": -1, "payload": -1}
_PLAIN = _FREE | {"imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}


class Key:
    """A key pair of one kind."""

    def __init__(self, kind: int) -> None:
        seed = nkeys.encode_seed(secrets.token_bytes(32), kind)
        self._pair = nkeys.from_seed(bytearray(seed))
        self.seed = seed.decode()
        self.public = self._pair.public_key.decode()

    def signed(self, subject: "Key", kind: str, claims: dict[str, Any], expires: float | None = None) -> str:
        """A JWT of this key's about another's."""
        body = {"jti": secrets.token_hex(8), "iat": 1_700_000_000, "iss": self.public, "sub": subject.public}
        body |= {"name": kind, "nats": {"type": kind, "version": 2, **claims}}
        body |= {} if expires is None else {"exp": int(expires)}
        text = f"{_encoded({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_encoded(body)}"
        return f"{text}.{_base64(self._pair.sign(text.encode()))}"


class User(Key):
    """A user's key pair, and the JWT that lets it in where an operator is trusted."""

    def __init__(self) -> None:
        super().__init__(nkeys.PREFIX_BYTE_USER)
        self.jwt = ""

    @property
    def creds(self) -> str:
        """The text of a credentials file, as `nsc` writes it."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{self.jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.seed}\n------END USER NKEY SEED------\n"
        )


class Operator:
    """An operator with a system account and one account of a team, which has JetStream, and users of it."""

    def __init__(self) -> None:
        self._operator, self._system, self.team = map(
            Key, (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_ACCOUNT)
        )
        self._said = self._operator.signed(self._operator, "operator", {})  # a reload may not change it

    def config(self, expires: float | None = None, claims: dict[str, Any] | None = None, **limits: Any) -> str:
        """Lines of server configuration; ``limits`` and further ``claims`` are those of the team's account."""
        storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        storage = {} if "tiered_limits" in limits else storage
        account = {"limits": _PLAIN | storage | limits, **(claims or {})}
        accounts = {
            self._system: self._operator.signed(self._system, "account", {"limits": _PLAIN}),
            self.team: self._operator.signed(self.team, "account", account, expires),
        }
        preloaded = "\n".join(f"{key.public}: {jwt}" for key, jwt in accounts.items())
        extra = f"operator: {self._said}\n"
        extra += f"system_account: {self._system.public}\n"
        return f"{extra}resolver: MEMORY\nresolver_preload: {{\n{preloaded}\n}}\n"

    def member(self, expires: float | None = None, *, system: bool = False, **claims: Any) -> User:
        """Return a user of the team; ``claims`` go over what lets it do everything."""
        user, account = User(), self._system if system else self.team
        user.jwt = account.signed(user, "user", _FREE | claims, expires)
        return user

    def user(self, file: Path, expires: float | None = None, *, system: bool = False, **claims: Any) -> str:
        """Write the credentials file of a user; return the user's public key."""
        user = self.member(expires, system=system, **claims)
        file.write_text(user.creds)
        return user.public


def tiered(folder: Path, **tiers: dict[str, Any]) -> tuple[str, Path]:
    """Lines of server configuration for an account with limits by number of replicas; a user's credentials file."""
    operator, creds = Operator(), folder / "ana.creds"
    operator.user(creds)
    limits = {name: {"streams": -1, "consumer": -1, "mem_storage": 0} | tier for name, tier in tiers.items()}
    return operator.config(tiered_limits=limits), creds


def _encoded(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
