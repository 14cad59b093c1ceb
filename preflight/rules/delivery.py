"""Why a medium's bytes could not be had: one rule for every cause.

Causes that the provider meets just the same are errors. Causes that may pass, or may be ours alone, are warnings, and
the verdict waits: what could not be looked at is not evaluated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preflight.deliver.url import host_of, port_of, redact, repaired
from preflight.facts import Cause
from preflight.findings import Severity
from preflight.language import say, told
from preflight.rules.limits import PAGE
from preflight.rules.model import Breach, Breaches, Case, Rule, rule
from preflight.rules.url import names_local_host

if TYPE_CHECKING:
    from preflight.facts import Failure, Medium

RFC_9110 = "RFC 9110 (HTTP Semantics), section "
PUBLIC_LINK = f"{PAGE}: the media must be publicly reachable direct links"

_UPLOAD = "Upload the file to public storage and use its https link, presigned where it must stay private."
_MAY_PASS = "It may pass, or be between this machine and the server only: what the provider will meet is not known."  # noqa: S105
_AGAIN = "Check again in a moment, and from another network if it stays."


def _cause(
    cause: Cause,
    *,
    title: str,
    message: str,
    fix: str,
    why: str = _MAY_PASS,
    source: str = PUBLIC_LINK,
) -> Rule:
    """The rule that tells one cause. Its severity follows from the cause: a warning where it may pass."""

    @rule(
        f"delivery-{cause.value}",
        "failure",
        Severity.WARNING if cause.passing else Severity.ERROR,
        title=title,
        message=message,
        why=why,
        fix=fix,
        source=source,
    )
    def check(_: Case, medium: Medium) -> Breaches:
        failure = medium.delivery.failure
        if failure is None or failure.cause is not cause:
            return
        if cause is Cause.NO_SUCH_HOST and names_local_host(medium):
            return  # told by url-not-public
        pause = ""
        if failure.retry_after is not None:
            pause = say(" The server asks to wait {seconds:.0f} s.", seconds=failure.retry_after)
        values = _words(medium) | {"detail": told(failure.detail), "pause": pause}
        yield Breach(failure.status or cause.value, values=values)

    return check


def _words(medium: Medium) -> dict[str, str]:
    """Where it failed: the last URL asked, which after redirects is not the one given."""
    last = medium.delivery.final_url or medium.delivery.reference
    index = say(", or put the index first: `ffmpeg -i {file} -c copy -movflags +faststart out.mp4`")
    return {
        "url": redact(last),
        "host": host_of(last) or say("the server"),
        "port": str(port_of(last)),
        "index": "" if medium.kind == "image" else index,
    }


# ------------------------------------------------------------------------------------ no connection, no trust

no_such_host = _cause(
    Cause.NO_SUCH_HOST,
    title="The host was not found",
    message="The {subject}'s host {host} was not found: {detail}.",
    why="Who finds no address for the name cannot fetch the file. That is what the name server of this machine says; "
    "the provider asks another one, which knows more than this only where yours is behind or private.",
    fix="Correct the spelling of the host; if it is new, wait until its DNS entry has spread.",
    source="RFC 8020 (NXDOMAIN)",
)
refused = _cause(
    Cause.REFUSED,
    title="The server refuses connections",
    message="The {subject}'s server {host} refuses connections at port {port}.",
    why="No program listens at that port, or a firewall turns everybody away; the provider meets the same.",
    fix="Start the server or correct the port, and open it to the internet. " + _UPLOAD,
)
tls_expired = _cause(
    Cause.TLS_EXPIRED,
    title="The certificate is out of date",
    message="The {subject}'s server {host} has a certificate that is out of date: {detail}.",
    why="The provider's fetcher checks certificates and ends the connection before it asks for the file.",
    fix="Renew the certificate of {host}; if it was renewed, restart the server so that it uses the new one.",
    source="RFC 5280, section 4.1.2.5 (validity)",
)
tls_wrong_host = _cause(
    Cause.TLS_WRONG_HOST,
    title="The certificate is for another host",
    message="The {subject}'s server {host} has a certificate for another host.",
    why="The provider's fetcher checks certificates and ends the connection before it asks for the file.",
    fix="Use a host name that the certificate covers, or get a certificate for {host}.",
    source="RFC 9525 (service identity in TLS)",
)
tls_self_signed = _cause(
    Cause.TLS_SELF_SIGNED,
    title="The certificate is signed by itself",
    message="The {subject}'s server {host} has a certificate that is signed by itself: nobody vouches for it.",
    why="The provider's fetcher checks certificates and ends the connection before it asks for the file.",
    fix="Get a certificate of a public authority for {host} (Let's Encrypt gives them for nothing), or move the file "
    "to a host that has one.",
    source="RFC 5280, section 6 (certification path validation)",
)
tls_untrusted = _cause(
    Cause.TLS_UNTRUSTED,
    title="The certificate's authority is unknown",
    message="The {subject}'s server {host} has a certificate that is not trusted: {detail}.",
    why="A company's own authority, or one that the public lists have dropped, means nothing to the provider's "
    "fetcher; it ends the connection before it asks for the file.",
    fix="Get a certificate of a public authority for {host}. To see what is sent: "
    "`openssl s_client -connect {host}:{port} -servername {host} -showcerts`.",
    source="RFC 5280, section 6 (certification path validation)",
)
tls_incomplete = _cause(
    Cause.TLS_INCOMPLETE,
    title="The certificate chain is incomplete",
    message="The {subject}'s server {host} sends its own certificate without the one that signed it, so it cannot be "
    "traced to an authority.",
    why="Browsers fetch the missing certificate by themselves, so the URL opens there; the provider's fetcher, like "
    "curl, does not.",
    fix="Serve the full chain (`fullchain.pem` instead of `cert.pem`) and restart the server. To see what is sent: "
    "`openssl s_client -connect {host}:{port} -servername {host} -showcerts`.",
    source="RFC 8446, section 4.4.2 (certificate chain)",
)
tls_failed = _cause(
    Cause.TLS_FAILED,
    title="No encrypted connection could be made",
    message="No encrypted connection to the {subject}'s server {host} could be made: {detail}.",
    why="The server offers only outdated TLS versions, or speaks something else than TLS at that port.",
    fix="Offer TLS 1.2 or newer at the port of the URL; if the server speaks plain HTTP there, correct the scheme.",
    source="RFC 8996 (TLS 1.0 and 1.1 are deprecated)",
)

# ----------------------------------------------------------------------------------------- the server says no

unauthorized = _cause(
    Cause.UNAUTHORIZED,
    title="The server wants a login",
    message="The {subject}'s server wants a login (status 401).",
    why="The provider has no account there and sends no credentials, so it gets the same answer.",
    fix="Make the file public, or use a presigned link that needs no login.",
    source=RFC_9110 + "15.5.2 (401 Unauthorized)",
)
forbidden = _cause(
    Cause.FORBIDDEN,
    title="The server forbids access",
    message="The {subject}'s server forbids access (status 403).",
    why="The file is private, a signature is wrong or over, or the server wants a referer, a cookie or a known "
    "browser; the provider has none of them.",
    fix="Open the link in a private browser window: if that fails too, make the file public or sign a new link. "
    "If it works there, the server keeps other sites out: " + _UPLOAD[0].lower() + _UPLOAD[1:],
    source=RFC_9110 + "15.5.4 (403 Forbidden)",
)
not_found = _cause(
    Cause.NOT_FOUND,
    title="There is nothing at the URL",
    message="There is nothing at the {subject} URL (status 404).",
    why="The provider gets the same answer, and the job fails.",
    fix="Correct the path (capital letters count) and see that the upload is complete. Private storage may answer the "
    "same: then make the file public or presign it.",
    source=RFC_9110 + "15.5.5 (404 Not Found)",
)
gone = _cause(
    Cause.GONE,
    title="The file is gone for good",
    message="The {subject} is gone for good, says the server (status 410).",
    why="The server has deleted it, or the link was made to end; the provider gets the same answer.",
    fix="Upload the file again and use the new link.",
    source=RFC_9110 + "15.5.11 (410 Gone)",
)
status = _cause(
    Cause.STATUS,
    title="The server does not send the file",
    message="The {subject} did not come: {detail}.",
    why="Only an answer of success carries the file; the provider gets the same answer.",
    fix="Look at what the server says: `curl -r 0-0 -o /dev/null -D - URL`.",
    source=RFC_9110 + "15 (status codes)",
)
too_many_redirects = _cause(
    Cause.TOO_MANY_REDIRECTS,
    title="The redirects do not end",
    message="The {subject} URL does not lead to a file: {detail}.",
    why="Fetchers give up after a few redirects; a circle usually means that the server waits for a cookie or a login.",
    fix="Use the URL at which the redirects should end.",
    source=RFC_9110 + "15.4 (redirection)",
)
bad_redirect = _cause(
    Cause.BAD_REDIRECT,
    title="A redirect leads nowhere",
    message="The {subject} URL does not lead to a file: {detail}.",
    why="A fetcher follows redirects to sound http and https URLs only.",
    fix="Correct the redirect at the server, or use the URL of the file itself.",
    source=RFC_9110 + "10.2.2 (Location)",
)

# ------------------------------------------------------------------------------------------ it may pass, or be ours

dns_failed = _cause(
    Cause.DNS_FAILED,
    title="The host name could not be looked up",
    message="The {subject}'s host {host} could not be looked up: {detail}.",
    fix="See that this machine has a network and a name server. " + _AGAIN,
    source="RFC 1035 (domain names)",
)
unreachable = _cause(
    Cause.UNREACHABLE,
    title="The server could not be reached",
    message="The {subject}'s server {host} could not be reached: {detail}.",
    fix="A host with an IPv6 address only cannot be reached from many networks: give it an IPv4 address too. " + _AGAIN,
)
timeout = _cause(
    Cause.TIMEOUT,
    title="The server was too slow",
    message="The {subject} did not come in time: {detail}.",
    fix="Check again with more time (--timeout 60). If it stays slow, move the file to faster storage: the provider's "
    "patience is not known.",
)
connection_lost = _cause(
    Cause.CONNECTION_LOST,
    title="The connection broke",
    message="The connection to the {subject}'s server broke: {detail}.",
    fix=_AGAIN + " If it stays, see the server's or proxy's log for that time.",
)
bad_http = _cause(
    Cause.BAD_HTTP,
    title="The server's answer is not sound HTTP",
    message="The {subject}'s server {host} does not answer in sound HTTP at port {port}: {detail}.",
    fix="Let a common web server or object storage serve the file, uncompressed: strict clients refuse such answers.",
    source="RFC 9112 (HTTP/1.1)",
)
rate_limited = _cause(
    Cause.RATE_LIMITED,
    title="The server limits the rate of requests",
    message="The {subject}'s server wants fewer requests (status 429).{pause}",
    fix="Wait and check again; if many jobs fetch from it, move the file to storage without such a limit.",
    source="RFC 6585, section 4 (429 Too Many Requests)",
)
server_error = _cause(
    Cause.SERVER_ERROR,
    title="The server failed",
    message="The {subject} did not come: {detail}.{pause}",
    fix=_AGAIN + " If it stays, see the server's log.",
    source=RFC_9110 + "15.6 (server errors)",
)
inconsistent = _cause(
    Cause.INCONSISTENT,
    title="The file changed while it was read",
    message="The {subject} is not one file: {detail}.",
    why="Parts of two versions were read, so no fact is certain; the provider may get either version.",
    fix="Wait until the upload is complete and check again; give every version a URL of its own.",
    source=RFC_9110 + "14.2 (ranges) and 13.1.5 (If-Range)",
)
budget = _cause(
    Cause.BUDGET,
    title="More bytes are needed than allowed",
    message="The {subject} could not be read to the end of its facts: {detail}.",
    why="The limit is preflight's own. Behind a server without ranges, a video whose index stands at its end is read "
    "whole.",
    fix="Allow more bytes (--max-bytes){index}.",
    source="preflight's own byte budget",
)

machine = _cause(
    Cause.MACHINE,
    title="This machine could not look at the file",
    message="The {subject} could not be looked at here: {detail}.",
    why="The fault is on this side, so nothing is known of the file and nothing is said against it.",
    fix="Close other programs, or allow more open files (`ulimit -n 4096`) and more memory; then check again. If it "
    "stays with one file alone, please report it.",
    source="the operating system of this machine",
)

# ------------------------------------------------------------------------------------------------ local paths

_HOST_LIKE = re.compile(r"//|www\.|localhost(?=[:/])|(?:[\w-]+\.)+[a-z]{2,}(?=[:/?]|$)", re.IGNORECASE)
_MEDIA = re.compile(r"mp4|mov|m4v|3gp|webm|mkv|ts|avi|jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf]", re.IGNORECASE)


def _lacks_scheme(medium: Medium) -> bool:
    """Does a path that leads to no file read like a URL? `clip.mp4` alone does not, `example.com/clip.mp4` does."""
    path = medium.delivery.reference
    if not _HOST_LIKE.match(path):
        return False
    return "/" in path or not _MEDIA.fullmatch(path.rpartition(".")[2])


def _meant(medium: Medium) -> str | None:
    """The URL that a path to nothing was meant to be."""
    path = medium.delivery.reference
    return repaired(path) or (repaired(f" https://{path.lstrip('/')}") if _lacks_scheme(medium) else None)


def _unreadable(medium: Medium) -> Failure | None:
    failure = medium.delivery.failure
    return failure if failure and failure.cause is Cause.NOT_A_FILE else None


def _of_path(medium: Medium, failure: Failure, **values: str) -> Breach:
    shown = redact(medium.delivery.reference)
    return Breach(shown, values={"path": shown, "detail": told(failure.detail), **values})


@rule(
    "delivery-scheme-missing",
    "failure",
    Severity.ERROR,
    title="The URL does not begin with a scheme, and there is no such file",
    message="The {subject} {path} is neither a URL, because no scheme stands at its beginning, nor a file here.",
    why="Without https:// at its beginning a text is no URL to the provider; preflight takes it for a local path.",
    fix="Write {url}.",
    source="RFC 3986, section 4.3 (absolute URI)",
)
def scheme_missing(_: Case, medium: Medium) -> Breaches:
    """A path to nothing that begins like a host, or like a URL with a slip in it."""
    if (failure := _unreadable(medium)) and ((meant := _meant(medium)) or _lacks_scheme(medium)):
        yield _of_path(medium, failure, url=redact(meant) if meant else say("https:// before it"))


@rule(
    "delivery-not-a-file",
    "failure",
    Severity.ERROR,
    title="The path leads to no file that can be read",
    message="The {subject} {path} cannot be read: {detail}.",
    why="A local path stands for the file that you are about to upload; without it there is nothing to judge.",
    fix="{home}Correct the path, or give the https URL of the uploaded file.",
    source="the file system of this machine",
)
def not_a_file(_: Case, medium: Medium) -> Breaches:
    """A path to nothing, to a directory, or to what may not be read."""
    if (failure := _unreadable(medium)) and not _lacks_scheme(medium) and not _meant(medium):
        home = say("Write the home directory in full, for ~ is one only where a shell reads it outside of quotes. ")
        yield _of_path(medium, failure, home=home if medium.delivery.reference.startswith("~") else "")


RULES: tuple[Rule, ...] = (
    no_such_host,
    refused,
    tls_expired,
    tls_wrong_host,
    tls_self_signed,
    tls_untrusted,
    tls_incomplete,
    tls_failed,
    unauthorized,
    forbidden,
    not_found,
    gone,
    status,
    too_many_redirects,
    bad_redirect,
    scheme_missing,
    not_a_file,
    dns_failed,
    unreachable,
    timeout,
    connection_lost,
    bad_http,
    rate_limited,
    server_error,
    inconsistent,
    budget,
    machine,
)
