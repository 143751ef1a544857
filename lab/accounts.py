"""The lab's accounts. Everything here is made up; nothing of it exists outside the lab."""

from pathlib import Path
from typing import NamedTuple

DOMAIN = "LAB"
REALM = "LAB.EXAMPLE"
DNS_DOMAIN = "lab.example"
SERVER_NAME = "SRV01"
SERVER_HOST = "srv01.lab.example"


class Account(NamedTuple):
    user: str
    password: str


ACCOUNTS = (
    Account("alice", "Spring-Rain-2031"),
    Account("bob", "Copper#Kettle77"),
    Account("carol", "north wind 5 oaks"),
)
PROXY_ACCOUNT = Account("proxyuser", "gate-keeper-9")


def password_of(user: str) -> str:
    """The password of a lab account."""
    return next(account.password for account in (*ACCOUNTS, PROXY_ACCOUNT) if account.user == user)


def write_ntlm_users(path: Path) -> None:
    """The file that the acceptor reads: each form of the name that clients send, since the match is exact."""
    lines = []
    for user, password in ACCOUNTS:
        lines += [f"{DOMAIN}:{user}:{password}", f":{user}:{password}", f":{user}@{DNS_DOMAIN}:{password}"]
        lines += [f"{REALM}:{user}:{password}", f":{user}@{REALM}:{password}"]
    path.write_text("\n".join(lines) + "\n")


def secrets_toml(users: list[str], keytabs: list[str], keylogs: list[str]) -> str:
    """The sample's secrets file."""
    text = "# Lab accounts only: nothing here exists outside the lab.\n"
    for user in users:
        text += f'[[password]]\nuser = "{user}"\ndomain = "{DOMAIN}"\nvalue = "{password_of(user)}"\n'
    if keytabs or keylogs:
        text += "[files]\n"
    for name, files in (("keytabs", keytabs), ("keylogs", keylogs)):
        if files:
            text += f"{name} = [" + ", ".join(f'"{file}"' for file in files) + "]\n"
    return text
