"""When does a link die? Read from its own text, without asking anybody.

A signed URL carries its end in some parameter, and every signer has its own way to write it. So there is one table:
who signs, how such a URL is recognised, and which reader of `ends.py` understands it.

What is read is graded. `high`: the format is documented and unmistakable. `medium`: known from practice. `low`: a
parameter that looks like an end. Only what is high may ever be called expired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

from preflight.deliver import ends
from preflight.deliver.ends import Confidence, Expiry, Link, Reader
from preflight.deliver.url import LONGEST_URL, cut, host_of


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to sign a link: the parameters it must have, the hosts it is limited to, and who reads its end."""

    name: str
    confidence: Confidence
    needs: str
    """Parameter names, all of them needed; `a|b` for either."""
    read: Reader
    hosts: str = ""
    """A regular expression for the whole host; empty: any."""


SCHEMES: tuple[Scheme, ...] = (
    # Date and seconds: the family of AWS Signature V4 (also R2, MinIO, Wasabi, Spaces, B2's S3 face, JD Cloud).
    Scheme("AWS Signature V4", "high", "x-amz-date x-amz-expires", ends.date_and_seconds("amz")),
    Scheme("Google Cloud Storage V4", "high", "x-goog-date x-goog-expires", ends.date_and_seconds("goog")),
    Scheme("Volcengine TOS V4", "high", "x-tos-date x-tos-expires", ends.date_and_seconds("tos")),
    Scheme("Aliyun OSS V4", "high", "x-oss-date x-oss-expires", ends.date_and_seconds("oss")),
    Scheme("Huawei OBS V4", "low", "x-obs-date x-obs-expires", ends.date_and_seconds("obs")),
    # `Expires` as seconds since 1970, told apart by the name of the key.
    Scheme("AWS Signature V2", "high", "awsaccesskeyid signature expires", ends.at("expires")),
    Scheme("Google Cloud Storage V2", "high", "googleaccessid signature expires", ends.at("expires")),
    Scheme("Aliyun OSS V1", "high", "ossaccesskeyid signature expires", ends.at("expires")),
    Scheme("Huawei OBS V2", "high", "accesskeyid signature expires", ends.at("expires")),
    Scheme("CloudFront canned policy", "high", "key-pair-id signature expires", ends.at("expires")),
    Scheme("Kingsoft KS3 or UCloud US3", "low", "kssaccesskeyid|ucloudpublickey signature expires", ends.at("expires")),
    Scheme("Weibo video", "medium", "expires ssig kid", ends.at("expires")),
    # Clouds with a form of their own.
    Scheme("CloudFront custom policy", "high", "key-pair-id signature policy", ends.cloudfront_policy),
    Scheme("Azure SAS", "high", "sv sig se|si", ends.azure),
    Scheme("Tencent COS", "high", "q-sign-algorithm q-sign-time", ends.cos),
    Scheme("Baidu BOS", "high", "authorization", ends.bos),
    Scheme("Qiniu Kodo", "high", "e token", ends.qiniu),
    Scheme("Upyun", "high", "_upt", ends.upyun),
    Scheme("JSON Web Token", "high", "", ends.jwt),
    # Content networks.
    Scheme("Alibaba or Huawei CDN, type A", "high", "auth_key", ends.signing_time("auth_key")),
    Scheme("Alibaba CDN, type B", "high", "", ends.cdn_path_b),
    Scheme("Alibaba CDN, type C", "high", "", ends.cdn_path_c, hosts=r"(?!.*douyinvod\.com$).*"),
    Scheme("Tencent CDN, type A", "medium", "sign", ends.signing_time("sign")),
    Scheme("Tencent VOD key", "medium", "t sign us|exper|rlimit", ends.at_hex("t")),
    Scheme("Tencent VOD key", "medium", "t sign", ends.at_hex("t"), r".*\.(?:vod2\.myqcloud|vod-qcloud)\.com"),
    Scheme("Qiniu CDN", "medium", "t sign", ends.at_hex("t"), r".*\.(?:clouddn|qiniucdn|qnssl|qiniudn|qbox)\.\w+"),
    Scheme("Tencent CDN, type D, or Qiniu CDN", "medium", "t sign", ends.sign_and_t, hosts=r"(?!.*xhscdn\.com$).*"),
    Scheme("Akamai EdgeAuth", "medium", "hdnts|hdnea|hdntl|__token__", ends.edge_auth),
    Scheme("CDN token (Fastly, Bunny)", "medium", "token expires", ends.at("expires")),
    Scheme("CDN token (nginx, KeyCDN)", "medium", "md5 expires", ends.at("expires")),
    Scheme("CDN token (nginx)", "medium", "st e", ends.at("e")),
    Scheme("imgix", "medium", "s expires", ends.at("expires")),
    # Platforms.
    Scheme("Discord", "high", "ex is hm", ends.at_hex("ex"), r"cdn\.discordapp\.com|media\.discordapp\.net"),
    Scheme("Instagram or Facebook", "high", "oe oh", ends.at_hex("oe"), r".*\.(?:cdninstagram\.com|fbcdn\.net)"),
    Scheme("Facebook", "medium", "ext", ends.at("ext"), r"platform-lookaside\.fbsbx\.com"),
    Scheme("LinkedIn", "medium", "e", ends.at("e"), r"media\.licdn\.com"),
    Scheme("YouTube", "high", "expire", ends.at("expire", ip="ip"), r".*\.googlevideo\.com"),
    Scheme("Bilibili", "medium", "deadline", ends.at("deadline"), r".*\.(?:bilivideo\.com|akamaized\.net)"),
    Scheme("ByteDance", "medium", "x-expires x-signature", ends.at("x-expires")),
    Scheme("TikTok", "low", "expire signature", ends.at("expire"), r".*tiktokcdn[\w-]*\.com"),
    Scheme("Douyin", "low", "", ends.path_hex, r".*\.douyinvod\.com"),
    Scheme("Kuaishou", "low", "pkey tt", ends.at_hex("tt"), r".*\.(?:yximgs|kwaicdn)\.com"),
    Scheme("Xiaohongshu", "low", "sign t", ends.at_hex("t"), r".*\.xhscdn\.com"),
    Scheme(
        "Notion",
        "medium",
        "expirationtimestamp",
        ends.at("expirationtimestamp", ends.milliseconds),
        r"file\.notion\.so",
    ),
    Scheme("Aliyun Drive", "medium", "x-oss-expires", ends.at("x-oss-expires"), r".*\.aliyundrive\.net"),
    Scheme("Baidu Pan", "medium", "time expires sign", ends.baidu_pan, r"d\.pcs\.baidu\.com"),
    # Ends that no text tells.
    Scheme("Firebase Storage", "medium", "token", ends.unending, r"firebasestorage\.googleapis\.com"),
    Scheme("Backblaze B2", "medium", "authorization", ends.unknown(path="/file/"), r"f\d+\.backblazeb2\.com"),
    Scheme("Telegram bot file", "high", "", ends.unknown(timedelta(hours=1), "/file/bot"), r"api\.telegram\.org"),
    Scheme("Telegram preview", "low", "", ends.unknown(), r"cdn\d*\.telesco\.pe"),
    Scheme(
        "Google user content",
        "low",
        "",
        ends.unknown(),
        r"lh\d\.googleusercontent\.com|.*-docs\.googleusercontent\.com",
    ),
    Scheme("GitHub raw token", "medium", "token", ends.unknown(), r"raw\.githubusercontent\.com"),
    Scheme("Slack file", "medium", "", ends.unknown(path="/files-(?:pri|tmb)"), r"files\.slack\.com"),
    Scheme(
        "Dropbox temporary link",
        "medium",
        "",
        ends.unknown(timedelta(hours=4), r"/(?:cd/0/get|apitl)/"),
        r"(?:.*\.)?dl\.dropboxusercontent\.com",
    ),
    Scheme(
        "Feishu or Lark",
        "medium",
        "code|authcode",
        ends.unknown(timedelta(hours=24)),
        r"internal-api-drive-stream[\w-]*\.(?:feishu\.cn|larksuite\.com)|.*\.larksuite\.com",
    ),
    Scheme("Replicate output", "low", "", ends.unknown(timedelta(hours=1)), r"(?:.*\.)?replicate\.delivery"),
)
_RANK: dict[Confidence, int] = {"high": 0, "medium": 1, "low": 2}
_NEVER = datetime.max.replace(tzinfo=UTC)
_SESSION_TOKENS = re.compile(r"(?:x-[a-z]+-)?security-token")


@lru_cache(64)  # several rules ask about the same URL
def expiry(url: str, now: datetime) -> Expiry | None:
    """Read when `url` ends; None: it has no sign of an end. Any text is accepted.

    `now` (aware) only decides between readings of an ambiguous form; whether the link is expired is for the caller.
    An instant is preferred to none, then the most trusted reading, then the one that ends first.
    """
    link = _taken_apart(url, now)
    if link is None:
        return None
    readings = [
        found._replace(scheme=scheme.name, confidence=scheme.confidence)
        for scheme in fitting(link)
        if (found := scheme.read(link))
    ]
    if not readings and link.parameters and (found := ends.by_name(link)):
        readings = [found._replace(scheme="unknown signature")]
    best = min(
        readings, key=lambda item: (item.instant is None, _RANK[item.confidence], item.instant or _NEVER), default=None
    )
    if best and not best.unending and any(map(_SESSION_TOKENS.fullmatch, link.parameters)):
        return best._replace(may_die_earlier=True)
    return best


def fitting(link: Link) -> tuple[Scheme, ...]:
    """The schemes whose marks the link has."""
    return _fitting(link.host, frozenset(link.parameters))


@lru_cache(1024)  # the links of a table are of few hosts and forms
def _fitting(host: str, names: frozenset[str]) -> tuple[Scheme, ...]:
    return tuple(
        scheme
        for scheme in SCHEMES
        if all(not names.isdisjoint(either.split("|")) for either in scheme.needs.split())
        and (not scheme.hosts or re.fullmatch(scheme.hosts, host))
    )


def _taken_apart(url: str, now: datetime) -> Link | None:
    if len(url) > LONGEST_URL or (host := host_of(url)) is None:
        return None
    parts = cut(url)
    values: dict[str, str] = {}
    twice = set()
    for field in parts.query.split("&") if parts.query else ():
        name, equals, value = field.partition("=")
        if equals and values.setdefault(name := _name(name), value := _decoded(value)) != value:
            twice.add(name)
    for name in twice:
        del values[name]
    return Link(host, _decoded(parts.path), values, now)


def _decoded(text: str) -> str:
    return unquote(text, errors="replace") if "%" in text else text


@lru_cache(1024)
def _name(text: str) -> str:
    return unquote_plus(text, errors="replace").lower()
