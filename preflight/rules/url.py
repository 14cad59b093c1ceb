"""What a URL tells before anything is fetched: its form, who can reach it, and what it leads to.

No message ever holds an unredacted URL. Links are judged by their text alone, so a guess is never an error, and a guess
that the delivery disproved is not told at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preflight.deliver.address import address_fault
from preflight.deliver.share import share_page
from preflight.deliver.url import (
    cut,
    host_of,
    literal_address,
    names_private_address,
    port_of,
    redact,
    repaired,
    url_fault,
)
from preflight.facts import Cause, ImageFacts, VideoFacts
from preflight.findings import Severity
from preflight.language import say, told
from preflight.rules.limits import PAGE
from preflight.rules.model import Breach, Breaches, Case, Rule, rule

if TYPE_CHECKING:
    from preflight.deliver.share import SharePage
    from preflight.deliver.url import UrlFault
    from preflight.facts import Medium

RFC_3986 = "RFC 3986 (Uniform Resource Identifier)"
SERVICES = "the behaviour of the service (table: preflight/deliver/share_pages.toml)"


def delivered(medium: Medium) -> bool:
    """Tell whether the bytes of a real medium came, whatever the link's text makes one expect."""
    return isinstance(medium.outcome, VideoFacts | ImageFacts)


# ------------------------------------------------------------------------------------------------ form


def _fault(medium: Medium) -> UrlFault | None:
    return None if medium.delivery.local else url_fault(medium.delivery.reference)


@rule(
    "url-form",
    "reference",
    Severity.ERROR,
    title="The URL is not well formed",
    message="The {subject} URL {detail}.",
    why="Parsers repair such a URL each in its own way, or refuse it: the provider fetches something else, or nothing.",
    fix="{repair}A URL has the form https://host/path, without spaces or line breaks; every other character that is no "
    "letter, digit or one of -._~ is percent-encoded (a space is %20).",
    source=RFC_3986,
)
def url_form(_: Case, medium: Medium) -> Breaches:
    """Its raw text, or a URL that the HTTP library refused all the same."""
    fault, failure = _fault(medium), medium.delivery.failure
    if fault and fault.kind in ("characters", "length", "host", "scheme-missing", "port-number"):
        meant = repaired(medium.delivery.reference)
        repair = say("Write {url}. ", url=redact(meant)) if meant else ""
        if fault.kind == "port-number":
            repair = say("Correct the port, or leave it out. ")
        yield Breach(redact(medium.delivery.reference), values={"detail": told(fault.detail), "repair": repair})
    elif not fault and failure and failure.cause is Cause.INVALID_URL:
        values = {"detail": say("is refused: {detail}", detail=told(failure.detail)), "repair": ""}
        yield Breach(redact(medium.delivery.reference), values=values)


@rule(
    "url-scheme",
    "reference",
    Severity.ERROR,
    title="The scheme is not http or https",
    message="The {subject} URL {detail}.",
    why="The provider downloads the media over HTTP; no other scheme can be fetched by a server that is not yours.",
    fix="{advice} The provider takes an http or https URL only.",
    source=PAGE,
)
def url_scheme(_: Case, medium: Medium) -> Breaches:
    """A scheme of its own that is no HTTP."""
    fault = _fault(medium)
    if fault and fault.kind == "scheme":
        page = share_page(medium.delivery.reference)
        advice = told(page.advice) if page else say("Upload the file where it has an https URL, and give that.")
        values = {"detail": told(fault.detail), "advice": advice}
        yield Breach(cut(medium.delivery.reference).scheme[:40], "http, https", values=values)


@rule(
    "url-userinfo",
    "reference",
    Severity.ERROR,
    title="The URL carries a user name or password",
    message="The {subject} URL {detail}.",
    why="Servers refuse such URLs because the text before @ is a trick to make one host look like another; and the "
    "password would be handed to the provider and to everything that logs the URL.",
    fix="Remove everything between // and @; if the file needs a login, presign it instead. Then change the password.",
    source="RFC 3986, sections 3.2.1 and 7.6",
)
def url_userinfo(_: Case, medium: Medium) -> Breaches:
    """An @ before the path."""
    fault = _fault(medium)
    if fault and fault.kind == "userinfo":
        yield Breach(redact(medium.delivery.reference), values={"detail": told(fault.detail)})


@rule(
    "url-port",
    "reference",
    Severity.ERROR,
    title="The port cannot be fetched from",
    message="The {subject} URL {detail}.",
    why="Fetchers refuse ports of other protocols, because a request to one can be a forged command to that service.",
    fix="Serve the file at the usual port: 443 for https, 80 for http.",
    source="WHATWG Fetch, section 2.9 (port blocking)",
)
def url_port(_: Case, medium: Medium) -> Breaches:
    """A port of another protocol."""
    fault = _fault(medium)
    if fault and fault.kind == "port":
        yield Breach(redact(medium.delivery.reference), values={"detail": told(fault.detail)})


# ------------------------------------------------------------------------------------------- reachability


def names_local_host(medium: Medium) -> bool:
    """Tell whether the URL names a host that only one machine or one network knows."""
    page = share_page(medium.delivery.reference)
    return page is not None and page.kind == "local"


@rule(
    "url-not-public",
    "reference",
    Severity.ERROR,
    title="The provider cannot reach the URL: it is not on the public internet",
    message="The {subject} URL leads to a host that is not public: {detail}.",
    why="The provider's servers fetch the media over the public internet. A private, loopback or link-local address "
    "means another machine there, or none.",
    fix="Upload the file to public storage and use its https link, presigned where it must stay private. "
    "While you develop, --allow-private lets preflight look at it all the same.",
    source=PAGE,
)
def url_not_public(_: Case, medium: Medium) -> Breaches:
    """The guard refused an address on the way, the URL names one, or a name that is none of the public name system."""
    failure = medium.delivery.failure
    if failure and failure.cause is Cause.NOT_PUBLIC:
        yield Breach(host_of(medium.delivery.reference), values={"detail": told(failure.detail)})
    elif failure and failure.cause is Cause.NO_SUCH_HOST and names_local_host(medium):
        detail = say("its name is for local networks only")
        yield Breach(host_of(medium.delivery.reference), values={"detail": detail})
    elif not medium.delivery.local and not medium.delivery.private and _names_private_address(medium):
        host = host_of(medium.delivery.reference) or ""
        yield Breach(host, values={"detail": told(f"{host}, {address_fault(host)}")})


def _names_private_address(medium: Medium) -> bool:
    """Tell whether another fault of the URL kept the guard from seeing the address in it."""
    return _fault(medium) is not None and names_private_address(medium.delivery.reference)


@rule(
    "url-private-allowed",
    "reference",
    Severity.WARNING,
    title="A private address, which the provider cannot reach",
    message="The {subject} URL leads to a private address, which was allowed here; the provider cannot reach it.",
    why="The verdict is about the file only: the same URL in a real request makes the job fail.",
    fix="Upload the file to public storage before you submit, and check again without --allow-private.",
    source=PAGE,
)
def url_private_allowed(_: Case, medium: Medium) -> Breaches:
    """The guard would have refused, and was told not to."""
    if medium.delivery.private:
        yield Breach(host_of(medium.delivery.reference))


@rule(
    "url-temporary-tunnel",
    "reference",
    Severity.WARNING,
    title="The URL is a temporary tunnel",
    message="The {subject} URL leads through {service} to {returns}.",
    why="The job is queued and fetches the media later: by then the tunnel may be closed, have another name, or answer "
    "the provider with a warning page.",
    fix="Upload the file to public storage; a tunnel must stay open, with the same name, until the job has fetched it.",
    source=SERVICES,
)
def url_temporary_tunnel(_: Case, medium: Medium) -> Breaches:
    """A host of a known tunnel service."""
    yield from _page_of_kind(medium, "tunnel")


@rule(
    "url-http-plain",
    "reference",
    Severity.NOTE,
    title="The URL is plain http",
    message="The {subject} URL is plain http.",
    why="Everybody on the way can read and change the file, and some fetchers take https only.",
    fix="Use the https form of the same URL if the server has one.",
    source="RFC 9110, section 4.2.2 (https)",
)
def url_http_plain(_: Case, medium: Medium) -> Breaches:
    """Scheme http, on the public internet."""
    if _sound_and_public(medium) and cut(medium.delivery.reference).scheme == "http":
        yield Breach("http", "https")


@rule(
    "url-ip-literal",
    "reference",
    Severity.NOTE,
    title="The URL names an address instead of a host",
    message="The {subject} URL names the address {observed} instead of a host.",
    why="Some fetchers refuse addresses, https certificates rarely cover them, and an address can change hands.",
    fix="Use a host name.",
    source="general practice of media fetchers (Runway's API refuses addresses)",
)
def url_ip_literal(_: Case, medium: Medium) -> Breaches:
    """An address for a host."""
    host = host_of(medium.delivery.reference)
    if host and _sound_and_public(medium) and literal_address(host):
        yield Breach(host)


@rule(
    "url-port-unusual",
    "reference",
    Severity.NOTE,
    title="The URL has an unusual port",
    message="The {subject} URL has port {observed}.",
    why="Some fetchers and firewalls allow only 80 and 443.",
    fix="Serve the file at port 443.",
    source="general practice of media fetchers",
)
def url_port_unusual(_: Case, medium: Medium) -> Breaches:
    """Any port but the two usual ones."""
    port = port_of(medium.delivery.reference)
    if _sound_and_public(medium) and port not in (80, 443):
        yield Breach(port, "80, 443")


def _sound_and_public(medium: Medium) -> bool:
    failure = medium.delivery.failure
    if medium.delivery.local or medium.delivery.private or (failure and failure.cause is Cause.NOT_PUBLIC):
        return False
    return url_fault(medium.delivery.reference) is None


# ----------------------------------------------------------------------------------------- what it leads to


def _page_of_kind(medium: Medium, kind: str) -> Breaches:
    page = None if medium.delivery.local else share_page(medium.delivery.reference)
    if page and page.kind == kind:
        yield Breach(host_of(medium.delivery.reference), values=page_texts(page))


def page_texts(page: SharePage) -> dict[str, str]:
    """The words of a known page; its direct link, or the rule of such links where this one holds what is not shown."""
    direct = ""
    if page.direct and redact(page.direct) == page.direct:
        direct = say(" Its direct form is `{url}`.", url=page.direct)
    elif page.direct and page.rule:  # with its secret removed it would lead nowhere
        holes = say(" and ").join(dict.fromkeys(re.findall(r"<\w+>", page.rule)))
        direct = say(" The direct form is `{rule}`, with {holes} from your link.", rule=page.rule, holes=holes)
    return {"service": told(page.service), "returns": told(page.returns), "advice": told(page.advice) + direct}


@rule(
    "url-share-page",
    "reference",
    Severity.WARNING,
    title="The URL is a share page, not a file",
    message="The {subject} URL is a link of {service}, which answers with {returns}, not with the file.",
    why="A browser shows the medium inside a page; the provider's fetcher gets the page itself, and the job fails.",
    fix="{advice} What always works is a copy in public storage.",
    source=SERVICES,
)
def url_share_page(_: Case, medium: Medium) -> Breaches:
    """A link of a known service, as long as no medium came from it."""
    if not delivered(medium):
        yield from _page_of_kind(medium, "page")


@rule(
    "url-shortener",
    "reference",
    Severity.NOTE,
    title="The URL is a short link",
    message="The {subject} URL is a link of {service}.",
    why="One more host must be up when the job runs, the link may be changed or counted out, and some fetchers do not "
    "follow redirects.",
    fix="Give the URL that it leads to.",
    source=SERVICES,
)
def url_shortener(_: Case, medium: Medium) -> Breaches:
    """A link of a known redirect service."""
    yield from _page_of_kind(medium, "shortener")


RULES: tuple[Rule, ...] = (
    url_form,
    url_scheme,
    url_userinfo,
    url_port,
    url_not_public,
    url_private_allowed,
    url_temporary_tunnel,
    url_http_plain,
    url_ip_literal,
    url_port_unusual,
    url_share_page,
    url_shortener,
)
