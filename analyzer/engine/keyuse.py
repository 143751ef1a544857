"""What became of the secrets that were given: which logon each was proved for, what it decrypted, and why one fitted nothing.

Nothing is said of a secret but what its proof showed: that it fits, that what it could be tried on is not made with it,
that there is nothing of its kind in the captures, or that bytes are missing which a proof would need.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import PurePath

from msgspec import Struct
from msgspec.structs import replace

from analyzer.formats.tls_rsa import RSA_SUITES
from analyzer.records.auth import Conversation, KerberosToken, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.issues import Issue
from analyzer.records.sealing import Message, Protection
from analyzer.records.secrets import KerberosKey, KeyUse, NtlmSecret, Proof, Secrets
from analyzer.sealing.contexts import basic_password
from analyzer.sealing.tickets import Learnt
from analyzer.settings import Limits

_RC4 = 23
_KINDS = {"nt_hash": "NT hash", "password": "password", "session_key": "NTLM session key", "kerberos_key": "Kerberos key", "keytab": "Kerberos key (keytab)"}
_KINDS |= {"ccache": "Kerberos ticket", "kirbi": "Kerberos ticket", "keylog": "TLS key log", "rsa_key": "RSA private key"}


def fitting(secrets: Secrets, proofs: Mapping[str, Proof]) -> Secrets:
    """What messages are decrypted with: of the Kerberos keys those that may be session keys, as tickets are opened by then; each logon with its proof."""
    session = tuple(one for one in secrets.kerberos if one.principal is None)
    return replace(secrets, kerberos=session, passwords=(), ntlm=secrets.ntlm[:1], proved=proofs, keys_given=bool(secrets.kerberos))


def with_keys(
    conversations: Iterable[Conversation], proofs: Mapping[str, Proof], tickets: Mapping[bytes, Learnt], messages: Mapping[str, Message]
) -> tuple[Conversation, ...]:
    """The conversations, each with the tag of the secret that was proved to be its own."""
    by_message = {one.exchange: one.secret for one in messages.values() if one.opened and one.secret is not None}
    return tuple(_named(one, proofs, tickets, by_message) for one in conversations)


def _named(spoken: Conversation, proofs: Mapping[str, Proof], tickets: Mapping[bytes, Learnt], by_message: Mapping[str, str]) -> Conversation:
    tag: str | None = None
    learnt: Learnt | None = None
    proof = proofs.get(spoken.id)
    if proof is not None and proof.secret is not None:
        tag = proof.secret.tag
    elif spoken.mechanism is Mechanism.KERBEROS:
        learnt = next((tickets[digest] for digest in _tickets(spoken) if digest in tickets), None)
        tag = None if learnt is None or learnt.client is None else learnt.tag
    if tag is None and spoken.mechanism.lasting:
        tag = next((by_message[identity] for identity in spoken.exchanges if identity in by_message), None)
    return spoken if tag is None else replace(spoken, secret=tag, ticket_lasts=None if learnt is None else learnt.lasts)


def _tickets(spoken: Conversation) -> Iterator[bytes]:
    for step in reversed(spoken.steps):
        token = None if step.token is None or not step.from_client else step.token.kerberos
        if isinstance(token, KerberosToken) and token.ticket is not None:
            yield token.ticket


class _Seen(Struct):
    """What the captures have that a secret can be tried on."""

    users: dict[str, list[str]]
    """Ids of NTLM conversations by user, in small letters, with and without what follows an @."""
    whole: Collection[str]
    """Those of them whose response and challenge are there."""
    tickets: Collection[bytes]
    etypes: Counter[int]
    """Kerberos tickets by encryption type."""
    sealed: int
    """Bodies that NTLM encrypted and that were not decrypted."""
    tls: int
    """TLS connections whose ClientHello is there."""
    rsa: int
    """TLS connections with RSA key exchange."""
    basic: int


class Fit(Struct):
    """What one secret was proved for: logons, with their connections; connections of messages, and of TLS, that it decrypted."""

    logons: list[str] = []
    by_logon: list[str] = []
    by_message: list[str] = []
    by_tls: list[str] = []
    messages: int = 0


class Tried(Struct):
    """What became of all secrets in one group of connections, or in all of them. ``fitted``: tags of keys that opened something of a KDC's."""

    seen: _Seen
    fits: dict[str, Fit]
    fitted: frozenset[str]


def tried(evidence: Evidence, secrets: Secrets, proofs: Mapping[str, Proof], fitted: Collection[str]) -> Tried:
    """Each secret on all that it can be tried on."""
    return Tried(_seen(evidence, proofs), _fits(evidence, secrets), frozenset(fitted))


def together(several: Iterable[Tried], place: Callable[[str], tuple[int, int]]) -> Tried:
    """Of several groups, what a look at all of them finds. ``place``: where a connection, or a logon, stands among all."""
    seen = _Seen(defaultdict(list), set(), set(), Counter(), 0, 0, 0, 0)
    fits: dict[str, Fit] = defaultdict(Fit)
    fitted: set[str] = set()
    for one in several:
        for name, own in one.seen.users.items():
            seen.users[name] += own
        seen.whole, seen.tickets = {*seen.whole, *one.seen.whole}, {*seen.tickets, *one.seen.tickets}
        seen.etypes += one.seen.etypes
        seen.sealed, seen.tls = seen.sealed + one.seen.sealed, seen.tls + one.seen.tls
        seen.rsa, seen.basic = seen.rsa + one.seen.rsa, seen.basic + one.seen.basic
        fitted |= one.fitted
        for tag, fit in one.fits.items():
            made = fits[tag]
            made.logons, made.by_logon = made.logons + fit.logons, made.by_logon + fit.by_logon
            made.by_message, made.by_tls = made.by_message + fit.by_message, made.by_tls + fit.by_tls
            made.messages += fit.messages
    for made in fits.values():
        for ids in (made.logons, made.by_logon, made.by_message, made.by_tls):
            ids.sort(key=place)
    return Tried(seen, fits, frozenset(fitted))


def uses(secrets: Secrets, found: Tried, limits: Limits) -> tuple[KeyUse, ...]:
    """One for each secret that fits, then those that do not, file by file."""
    right = {*found.fits, *found.fitted}
    good: dict[str, KeyUse] = {}
    bad: dict[str, KeyUse] = {}
    files = {one.name: one for one in secrets.files}
    for tag, account, why in _each(secrets, found.seen, right):
        kind, file = _kind(tag, files)
        if tag not in right:
            bad.setdefault(tag, KeyUse(tag, kind, file, account, fits=False, why=why))
            continue
        fit = found.fits.get(tag, Fit())
        ids = tuple(dict.fromkeys(fit.logons))
        connections = tuple(dict.fromkeys((*fit.by_logon, *fit.by_message, *fit.by_tls)))
        told = None if connections else "it opened what a KDC sent; nothing of WinRM was encrypted with it"
        made = KeyUse(tag, kind, file, account, fits=True, logons=ids, connections=connections, messages=fit.messages, why=told)
        good.setdefault(tag, made)
    return (*good.values(), *_counted(bad.values(), limits.listed_keys))


def _kind(tag: str, files: Mapping[str, object]) -> tuple[str, str | None]:
    """(what it is, its file): the words before the first colons of its tag."""
    kind, _, rest = tag.partition(":")
    return _KINDS.get(kind, kind), next((name for name in files if rest == name or rest.startswith(f"{name}:")), None)


def _fits(evidence: Evidence, secrets: Secrets) -> dict[str, Fit]:
    fits: dict[str, Fit] = defaultdict(Fit)
    given = {bytes(one.value): one.tag for one in reversed(secrets.passwords)}
    for spoken in evidence.conversations:
        tag = spoken.secret
        if tag is None and spoken.mechanism is Mechanism.BASIC and given:
            tag = given.get(basic_password(spoken, evidence.exchanges) or b"")
        if tag is not None:
            fits[tag].logons.append(spoken.id)
            fits[tag].by_logon.append(spoken.connection)
    for message in evidence.messages.values():
        if message.opened and message.secret is not None:
            fits[message.secret].messages += 1
            fits[message.secret].by_message.append(evidence.exchanges[message.exchange].connection)
    for connection in evidence.connections.values():
        if connection.tls_opened and connection.tls_secret is not None:
            fits[connection.tls_secret].by_tls.append(connection.id)
    return fits


def _seen(evidence: Evidence, proofs: Mapping[str, Proof]) -> _Seen:
    users: dict[str, list[str]] = defaultdict(list)
    etypes: Counter[int] = Counter()
    tickets: set[bytes] = set()
    for spoken in evidence.conversations:
        if spoken.mechanism is Mechanism.NTLM and spoken.client.user:
            name = spoken.client.user.lower()
            for one in {name, name.partition("@")[0]}:
                users[one].append(spoken.id)
        for step in spoken.steps:
            token = None if step.token is None or not step.from_client else step.token.kerberos
            if isinstance(token, KerberosToken) and token.etype is not None:
                etypes[token.etype] += 1
                tickets.add(token.ticket or b"")
    sealed = sum(one.protection is Protection.SEALED and not one.opened for one in evidence.messages.values())
    hellos = [one.tls for one in evidence.connections.values() if one.tls is not None and one.tls.client_random is not None]
    rsa = sum(one.cipher_suite in RSA_SUITES for one in hellos)
    basic = sum(one.mechanism is Mechanism.BASIC for one in evidence.conversations)
    return _Seen(users, frozenset(proofs), tickets, etypes, sealed, len(hellos), rsa, basic)


def _each(secrets: Secrets, seen: _Seen, right: Collection[str]) -> Iterator[tuple[str, str | None, str]]:
    """(tag, whose it is, why it would fit nothing) of everything that was given."""
    for hashed in secrets.ntlm:
        account = None if hashed.user is None else f"{hashed.domain}\\{hashed.user}" if hashed.domain else hashed.user
        yield hashed.tag, account, "" if hashed.tag in right else _why_ntlm(hashed, seen)
    for key in secrets.kerberos:
        yield key.tag, key.principal, _why_kerberos(key, seen)
    for ticket in secrets.tickets:
        unused = f"the ticket for {ticket.service} is not used in the captures"
        yield (
            ticket.tag,
            ticket.client or None,
            f"its key decrypts nothing that came with the ticket for {ticket.service}" if ticket.ticket in seen.tickets else unused,
        )
    for session in secrets.session_keys:
        yield (
            session.tag,
            None,
            f"it decrypts no encrypted message ({seen.sealed:,} tried)" if seen.sealed else "no message that NTLM encrypted is left to decrypt",
        )
    for tag, lines in Counter(one.tag for one in secrets.tls).items():
        nothing = f"its lines ({lines:,}) belong to none of the TLS connections that were read ({seen.tls:,})"
        yield tag, None, nothing if seen.tls else "no TLS handshake that could be WinRM's is in the captures"
    for rsa in secrets.rsa:
        none = "no TLS connection with RSA key exchange is in the captures; Diffie-Hellman and TLS 1.3 need a key log"
        yield rsa.tag, None, f"it decrypts no TLS connection with RSA key exchange ({seen.rsa:,} tried)" if seen.rsa else none


def _why_ntlm(secret: NtlmSecret, seen: _Seen) -> str:
    """Wrong, no such logon, or bytes are missing that a proof needs."""
    if secret.user is not None:
        own = seen.users.get(secret.user.lower(), [])
        if any(identity in seen.whole for identity in own):
            return f"{secret.user} logged on with another password"
        if own:
            return f"the logon of {secret.user} is not whole in the captures, so nothing proves it"
    tried = {"NTLM logon": len(seen.whole), "RC4 ticket": seen.etypes[_RC4]}
    if secret.tag.startswith("password"):
        tried["Basic logon"] = seen.basic
    words = " and ".join(f"no {name} ({count:,} tried)" for name, count in tried.items() if count)
    if words:
        return f"{f'no NTLM logon of {secret.user} in the captures; ' if secret.user is not None else ''}it fits {words}"
    if seen.users:
        return "no NTLM logon is whole in the captures, so nothing proves it"
    return "no NTLM logon and no RC4 ticket is in the captures"


def _why_kerberos(key: KerberosKey, seen: _Seen) -> str:
    count = seen.etypes[key.etype]
    if count:
        return f"it decrypts no Kerberos ticket of encryption type {key.etype} ({count:,} tried)"
    return f"no Kerberos ticket of encryption type {key.etype} is in the captures"


def _counted(found: Iterable[KeyUse], most: int) -> Iterator[KeyUse]:
    """The first ``most`` of each file one by one; of the rest one row for each reason."""
    shown: Counter[str | None] = Counter()
    rest: dict[tuple[str | None, str, str], int] = {}
    for one in found:
        shown[one.file] += 1
        if shown[one.file] <= most:
            yield one
        else:
            key = (one.file, one.kind, _alike(one))
            rest[key] = rest.get(key, 0) + 1
    for (file, kind, why), count in rest.items():
        yield KeyUse(f"{file or kind} (others)", kind, file, None, fits=False, why=why, repeats=count)


def _alike(one: KeyUse) -> str:
    """The reason without the name in it."""
    user = (one.account or "").rpartition("\\")[2]
    return (one.why or "").replace(user, "that user") if user else one.why or ""


def unread(secrets: Secrets) -> tuple[Issue, ...]:
    """The files of a folder that were passed over."""
    return tuple(Issue("secrets.passed-over", f"{PurePath(told.partition(': ')[0]).name}: {told.partition(': ')[2]}") for told in secrets.passed_over)
