"""A request out of whatever was pasted: JSON, curl, Python, JavaScript; or one line that says where and what."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preflight.errors import RequestUnreadable
from preflight.request import parse_request, read_request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ORIGIN = "request.txt"

#: The examples of the provider's page, as they stand there, indentation and fences included.
PAGE = r"""
<RequestExample>
  ```bash cURL theme={null} theme={null}
  curl --request POST \
    --url https://xcompute.us/v1/videos/generations \
    --header 'Authorization: Bearer <token>' \
    --header 'Content-Type: application/json' \
    --data '{
      "model": "kling-v2-6-motion-control",
      "prompt": "保持人物面部特征一致，按参考视频完成转身挥手动作，电影感光影",
      "image_url": "https://example.com/ref-image.png",
      "video_url": "https://example.com/ref-video-8s.mp4",
      "keep_original_sound": "yes",
      "character_orientation": "image",
      "mode": "std",
      "watermark_info": {"enabled": false}
    }'
  ```

  ```python Python theme={null} theme={null}
  import requests

  url = "https://xcompute.us/v1/videos/generations"

  payload = {
      "model": "kling-v2-6-motion-control",
      "prompt": "保持人物面部特征一致，按参考视频完成转身挥手动作，电影感光影",
      "image_url": "https://example.com/ref-image.png",
      "video_url": "https://example.com/ref-video-8s.mp4",
      "keep_original_sound": "yes",
      "character_orientation": "image",
      "mode": "std",
      "watermark_info": {"enabled": False}
  }

  headers = {
      "Authorization": "Bearer <token>",
      "Content-Type": "application/json"
  }

  response = requests.post(url, json=payload, headers=headers)

  print(response.json())
  ```

  ```javascript JavaScript theme={null} theme={null}
  const url = "https://xcompute.us/v1/videos/generations";

  const payload = {
    model: "kling-v2-6-motion-control",
    prompt: "保持人物面部特征一致，按参考视频完成转身挥手动作，电影感光影",
    image_url: "https://example.com/ref-image.png",
    video_url: "https://example.com/ref-video-8s.mp4",
    keep_original_sound: "yes",
    character_orientation: "image",
    mode: "std",
    watermark_info: { enabled: false }
  };

  const headers = {
    "Authorization": "Bearer <token>",
    "Content-Type": "application/json"
  };

  fetch(url, {
    method: "POST",
    headers: headers,
    body: JSON.stringify(payload)
  })
    .then(response => response.json())
    .then(data => console.log(data))
    .catch(error => console.error('Error:', error));
  ```
</RequestExample>

### 场景 1：image 朝向（10 秒内）

```json theme={null} theme={null}
{
  "model": "kling-v2-6-motion-control",
  "prompt": "保持人物朝向与参考图一致，完成转身和挥手动作",
  "image_url": "https://example.com/ref-image.png",
  "video_url": "https://example.com/ref-video-8s.mp4",
  "character_orientation": "image",
  "mode": "std",
  "keep_original_sound": "yes",
  "watermark_info": {"enabled": false}
}
```

### 场景 2：video 朝向（30 秒内）

```json theme={null} theme={null}
{
  "model": "kling-v2-6-motion-control",
  "prompt": "跟随参考视频的人物朝向和节奏，保持动作连贯",
  "image_url": "https://example.com/ref-image.png",
  "video_url": "https://example.com/ref-video-12s.mp4",
  "character_orientation": "video",
  "mode": "pro",
  "keep_original_sound": "no",
  "watermark_info": {"enabled": false}
}
```
"""
EXAMPLE = {
    "model": "kling-v2-6-motion-control",
    "prompt": "保持人物面部特征一致，按参考视频完成转身挥手动作，电影感光影",
    "image_url": "https://example.com/ref-image.png",
    "video_url": "https://example.com/ref-video-8s.mp4",
    "keep_original_sound": "yes",
    "character_orientation": "image",
    "mode": "std",
    "watermark_info": {"enabled": False},
}
SCENE_1 = {**EXAMPLE, "prompt": "保持人物朝向与参考图一致，完成转身和挥手动作"}
SCENE_2 = {
    **EXAMPLE,
    "prompt": "跟随参考视频的人物朝向和节奏，保持动作连贯",
    "video_url": "https://example.com/ref-video-12s.mp4",
    "character_orientation": "video",
    "mode": "pro",
    "keep_original_sound": "no",
}
BLOCKS = [block.rstrip(" ") for block in PAGE.split("```")[1::2]]
EXAMPLES = dict(zip(("curl", "python", "javascript", "scene 1", "scene 2"), BLOCKS, strict=True))
MEANT = {"curl": EXAMPLE, "python": EXAMPLE, "javascript": EXAMPLE, "scene 1": SCENE_1, "scene 2": SCENE_2}


def parse(text: str) -> Mapping[str, object]:
    return parse_request(text, ORIGIN)


def fault(text: str) -> str:
    with pytest.raises(RequestUnreadable) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith(ORIGIN)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_page_work_unchanged(name: str) -> None:
    """Copied with its fence, without it, and without the page's indentation, each example is the request it shows."""
    content = EXAMPLES[name].partition("\n")[2]
    for text in (f"```{EXAMPLES[name]}```", f"  ```{EXAMPLES[name]}", content, textwrap.dedent(content)):
        assert parse(text) == MEANT[name]
        assert read_request(parse(text)).problems == ()


def test_the_whole_page_is_several_requests() -> None:
    """Which of five examples is meant cannot be known, so none is taken."""
    assert "5 fenced blocks" in fault(PAGE)


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff{"mode": "std"}',
        ' \r\n{"mode":\r\n"std"}\r\n',
        '~~~\n{"mode": "std"}\n~~~',
        'Please check:\n\n```json\n{"mode": "std"}\n```\nThanks!',
        "{'mode': 'std'}",
        "{'mode': 'std',}",
        "{ mode: 'std', model: \"\", }",
        "payload = {'mode': 'std', 'model': ''}\npost(json=payload)",
        'client.post(url, json={"mode": "std", "model": ""})',
        'MODE = "std"\nsend({"mode": MODE, "model": ""})',
        "let x = { mode: 'std', 'model': '', };",
        'curl https://x.example -d \'{"mode": "std"}\'',
    ],
)
def test_every_form_is_read(text: str) -> None:
    """BOM, line ends, fences, quotes and trailing commas of each language make no difference."""
    assert {name: value for name, value in parse(text).items() if value} == {"mode": "std"}


@pytest.mark.parametrize(
    "arguments",
    [
        "--data '{B}'",
        "--data='{B}'",
        "--data-raw '{B}'",
        "--data-binary '{B}'",
        "--json '{B}'",
        "-d '{B}'",
        "-d'{B}'",
        "-sSLd '{B}'",
        "-X POST -d '{B}' -H 'Content-Type: application/json'",
        "-XPOST -uuser:pass -ofoo.d -d '{B}' | jq .d",
        "-d '{B}' > out.json; echo '-d' 1",
        "-d '{B}' \\\r\n  -H 'A: b'",
        '-d "{D}"',
        "-d $'{B}'",
    ],
)
@pytest.mark.parametrize("prefix", ["curl ", "$ curl ", "curl \\\n ", "# generate\nexport KEY=1\ncurl.exe -k "])
def test_a_curl_command_is_read_like_a_shell_reads_it(prefix: str, arguments: str) -> None:
    """Long and short flags, glued values, each kind of quote, continuations, and what follows the command."""
    body = (
        '{"prompt": "it is 5 $ \\\\n", "mode": "std"}' if "$'" in arguments else '{"prompt": "5 $ \\n", "mode": "std"}'
    )
    quoted = body.replace("\\", "\\\\").replace('"', '\\"')
    command = prefix + arguments.replace("{B}", body).replace("{D}", quoted)
    assert parse(command)["mode"] == "std"
    assert str(parse(command)["prompt"]).endswith("5 $ \n")


def test_ansi_c_quotes_are_undone() -> None:
    r"""What a browser copies (`\u0021`, `\'`) and what people type (`\n`, octal, hexadecimal) comes out as text."""
    words = r"""curl -d $'{"prompt": "it\'s\u0021 \u4fdd \x41\101 \U0001F600", "mode":\n"std\"}"""
    assert "never closed" in fault(words)
    assert parse(words.replace('std\\"}', "std\"}'")) == {"prompt": "it's! 保 AA 😀", "mode": "std"}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40))
def test_any_prompt_survives_the_shell(prompt: str) -> None:
    """Whatever `shlex.quote` quotes, the reader unquotes."""
    body = json.dumps({"prompt": prompt, "mode": "std"}, ensure_ascii=False)
    assert parse(f"curl -X POST -d {shlex.quote(body)} https://x.example") == {"prompt": prompt, "mode": "std"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
@given(st.text(st.sampled_from("ab'\"\\$ \n{}:,#&|;"), max_size=12))
def test_bash_and_the_reader_agree(text: str) -> None:
    """The reader's words are bash's words, in double quotes and in $'…'."""
    body = json.dumps({"prompt": text.replace("$", "$ ")})
    double = '"' + "".join(f"\\{char}" if char in '\\"$`' else char for char in body) + '"'
    ansi = "$'" + body.replace("\\", "\\\\").replace("'", "\\'") + "'"
    for quoted in (double, ansi):
        assert parse(f"curl -d {quoted}") == json.loads(body)


def test_the_quotes_are_the_ones_of_bash(tmp_path: Path) -> None:
    """Real bash, given the same command, hands its program the same data."""
    show = tmp_path / "curl"
    show.write_text('#!/bin/sh\nprintf %s "$2"\n')
    show.chmod(0o755)
    for quoted in (
        r"""'{"prompt": "it'\''s"}'""",
        r'''"{\"prompt\": \"a\\\\b \`x\` \$5 \
c\"}"''',
        r"""$'{"prompt": "\'\u4fdd\x41\101\\\\\\""}'""",
        r"""{\"prompt\":\"a\\\\b\"}""",
        r"""'{"prompt"'":"'"x y"}'""",
    ):
        done = subprocess.run(
            ["bash", "-c", f"PATH={tmp_path}:$PATH; LC_ALL=C.UTF-8; curl -d {quoted}"], capture_output=True, check=True
        )
        assert parse(f"curl -d {quoted}") == json.loads(done.stdout), quoted


def test_a_key_in_a_curl_command_goes_nowhere() -> None:
    """Neither the request nor an error repeats what stands in a header or in the user flag."""
    key = (
        "-H 'Authorization: Bearer sk-5ecre7' -u me:5ecre7 -H \"X: $SECRET5ecre7\" --url 'https://x.example/?k=5ecre7'"
    )
    assert "5ecre7" not in repr(parse(f'curl {key} -d \'{{"mode": "std"}}\''))
    for rest in ("", "-d '{'", "-d @body.json", "-d '[]'", "-d 1 -d 2", "-F a=b", "-d 'open"):
        assert "5ecre7" not in fault(f"curl {key} {rest}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        (" \n\ufeff", "no request found"),
        ("```\n\n```", "empty"),
        ("null", "null, not a JSON object"),
        ('"text"', '"text", not a JSON object'),
        ("3", "3, not a JSON object"),
        ("[]", "a list of 0"),
        ('[{"mode": "std"}]', "one request inside a list"),
        ('[{"mode": "std"}, {}]', "a list of 2"),
        ("[{'mode': 'std'}]", "one request inside a list"),
        ('{"mode": "std"', "request.txt, line 1, column 15: not JSON: expecting ',' delimiter"),
        ('{\n  "mode": std\n}', "request.txt, line 2, column 11: not JSON: expecting value"),
        ('{\n  "mode": "std",\n}', "not JSON: a comma before the closing bracket"),
        ('{"mode": "std"} {}', "line 1, column 17: not JSON: extra data"),
        ('{"mode": "std", mode: 1}', "line 1, column 17: not JSON"),
        ('{"a": 1,\n "mode": "std",\n "mode": "pro"}', 'line 3, column 2: the field "mode" stands twice'),
        ('{"mode": NaN}', "line 1, column 10: NaN is not a JSON value"),
        ('{"mode": -Infinity}', "line 1, column 10: -Infinity is not a JSON value"),
        ('{"mode": ' + "1" * 5000 + "}", "a number with thousands of digits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('\n```json\n{\n"mode" "std"}\n```', "line 4, column 8: not JSON"),
        ("request.json", "no request found"),
        ("Dear preflight, please check my video.", "no request found"),
        ("print('hello')", "no request found"),
        ("{'mode': 'std'", "line 1, column 2: not JSON"),
        ("{'mode': 'std', 'mode': 'pro'}", 'line 1: the field "mode" stands twice'),
        ("{'mode': 'std', 7: 1}", "a field name that is not a plain string"),
        ("{'mode': 'std', **more}", "a field name that is not a plain string"),
        ("x = {'mode': 'std',\n 'model': os.environ['M']}", 'line 2: the value of "model" is computed'),
        ("x = {'mode': 'std', 'model': f'{m}'}", 'the value of "model" is computed'),
        ("x = {'mode': 'std', 'model': {[]: 1}}", 'the value of "model" is computed'),
        ("a = {'mode': 1, 'model': 1}\nb = {'mode': 1, 'model': 1}", "2 requests, on lines 1, 2"),
        ("let a = {mode: 1, model: 1}; let b = {mode: 1, model: 1};", "2 requests; keep one"),
        ("let a = {mode: 1, model: 1, mode: 2};", 'the field "mode" stands twice'),
        ("curl https://x.example", "has no data"),
        ("curl -d 1 -d 2", "has 2 pieces of data"),
        ("curl -d", "the data of the curl command, line 1, column 1: not JSON"),
        ("curl -d '{\n\"mode\" 1}'", "the data of the curl command, line 2, column 8: not JSON"),
        ("curl -d '[{}]'", "the data of the curl command: one request inside a list"),
        ("curl \\\n -d '{", "line 2, column 5: a quote or backslash that is never closed"),
        ("curl -d @body.json", 'stands in "body.json"'),
        ("curl --form a=b", "sends a form (--form)"),
        ("curl -F a=b", "sends a form (--form)"),
        ("curl --data-urlencode 'a=b'", "sends a form (--data-urlencode)"),
        ('curl -d "{\\"mode\\": \\"$MODE\\"}"', "needs the shell's $MODE"),
        ("curl -d '{\"mode\": \"'$MODE'\"}'", "needs the shell's $MODE"),
        ('curl -d "${BODY}"', "needs the shell's ${BODY}"),
        ('curl -d "$(cat body.json)"', "needs the shell's $("),
    ],
    ids=lambda value: value[:40],
)
def test_what_cannot_be_read_is_told_in_one_line(text: str, told: str) -> None:
    """Where (origin, line, column) and what; nothing else is printed and nothing else is raised."""
    assert told in fault(text)


def test_nothing_is_executed_and_no_file_is_opened(tmp_path: Path) -> None:
    """A program that would write a file is read, and the file is not there; a file that the text names is not read."""
    trace = tmp_path / "trace"
    program = f"x = {{'mode': 'std', 'model': open({str(trace)!r}, 'w')}}"
    assert "computed" in fault(program)
    assert not trace.exists()
    trace.write_text('{"mode": "std"}')
    assert "give that file to preflight" in fault(f"curl -d @{trace}")


def test_a_warning_of_somebody_elses_program_is_not_ours() -> None:
    r"""`"\d"` makes the compiler warn; the reader keeps that to itself."""
    assert parse("x = {'mode': 'std', 'model': 'a\\d'}")["model"] == "a\\d"


@pytest.mark.parametrize(
    "text",
    [
        '"' * 200_000,
        '\\"' * 200_000,
        "'" + "\\'" * 200_000,
        "x" * 1_000_000,
        "{x" + " " * 1_000_000,
        "curl " + "\\\n" * 200_000,
        "curl " + "'" * 200_001,
        'curl "' + "\\a" * 200_000,
        "curl -d " + "a''" * 200_000,
        "curl -d \u00a0\x0b" + "\u3000" * 200_000,
        "curl $'" + "\\a" * 200_000,
        "```\n" * 100_001,
        "{" * 100_000,
        "a = " + "-" * 100_000 + "1",
        "a = 1" + "+1" * 100_000,
        "a" + ".b" * 100_000,
        "{x:" * 50_000,
        '{"mode":' * 50_000,
        "let a = " + '{"mode":' * 20_000,
        ", " * 200_000,
    ],
    ids=lambda value: value[:12],
)
def test_hostile_text_costs_no_time(text: str) -> None:
    """Long runs of what a careless pattern would try again and again are refused in one pass."""
    started = time.monotonic()
    fault(text)
    assert time.monotonic() - started < 5


WORDS = ["curl ", "-d ", "--data ", "mode", "model", '"mode"', "'mode'", "x = ", "True", "None", "NaN", "1e999"]
SIGNS = ["'", '"', "$'", "\\", "\n", "{", "}", "[", "]", ":", ",", "```", "$X", "@", "//", "1"]
STRANGE = ["\u2028", "\r", "\x00", "\ud800", "\x0c", "\ufeff"]
pieces = st.sampled_from([*WORDS, *SIGNS, *STRANGE])


@given(st.text(st.characters(exclude_categories=())) | st.lists(pieces, max_size=25).map("".join))
@example("{'mode'\x0c:\r'std'}")
@example("x = {'mode':1,'model':'\ud800'}")
@example("('\u2028', {'mode': '1', 'model': True})")
def test_any_text_is_read_or_refused(text: str) -> None:
    """A mapping with string names that `read_request` takes, or RequestUnreadable in one printable line."""
    try:
        request: Any = parse(text)
    except RequestUnreadable as error:
        message = str(error)
    else:
        assert all(isinstance(name, str) for name in request)
        message = "; ".join(problem.observed for problem in read_request(request).problems)
    assert "\n" not in message
    message.encode()


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """The same for what a file that is no text decodes to, whichever way it was decoded."""
    for text in (data.decode("utf-8", "surrogateescape"), data.decode("latin-1"), data.decode("utf-8", "replace")):
        test_any_text_is_read_or_refused.hypothesis.inner_test(text)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text", ['{ // who\n"a": 1}', '{"a": 1, // who\n"b": 2}', '{"a": 1 /* who */}', '{"a": 1} # who']
)
def test_a_comment_is_named_as_such(text: str) -> None:
    """JSON has none, and the reason says so."""
    with pytest.raises(RequestUnreadable, match="JSON has no comments"):
        parse_request(text, "request.json")


def test_no_command_is_named_that_does_not_exist() -> None:
    """A list is refused without advice that cannot be followed."""
    with pytest.raises(RequestUnreadable, match="a list of 2; one request is needed, so give them one by one"):
        parse_request("[{}, {}]", "request.json")
