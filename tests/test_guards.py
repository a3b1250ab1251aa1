"""What is known to go wrong before a question is sent, and seen after; and that short questions cost nothing more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.client import Client
from ollama_magic.errors import Unsupported
from ollama_magic.events import Image, Message, Request, Stats
from ollama_magic.guards import Checked, check, cut_notice, prompt_tokens
from tests.fake_models import model_entry
from tests.questions import MODEL

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama

PICTURE = Image(b"\x89PNG", "image/png")
SENTENCE = "The cat sat on the mat. "  # seven tokens


def asking(*contents: str, images: tuple[Image, ...] = (), **how: Any) -> Request:
    """Turns of a user with answers between them; the last one is the question."""
    turns = [message for text in contents for message in (Message("user", text), Message("assistant", "Yes."))]
    *history, question, _ = turns
    return Request(MODEL, (*history, Message("user", question.content, images=images)), **how)


def test_tools_are_counted() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": SENTENCE * 10, "parameters": {}}}
    plain = asking("Hello")
    assert prompt_tokens(replace(plain, tools=(tool,))) >= prompt_tokens(plain) + 70


def long(tokens: int) -> str:
    return SENTENCE * (tokens // 7)


def checked(fake: FakeOllama, request: Request, **settings: Any) -> Checked:
    async def main() -> Checked:
        async with Client(host=fake.url, model=MODEL, **settings) as client:
            return await check(client, request)

    return asyncio.run(main())


def after(fake: FakeOllama, sent: Checked, read: int | None, **settings: Any) -> str:
    async def main() -> str:
        async with Client(host=fake.url, model=MODEL, **settings) as client:
            return await cut_notice(client, sent, Stats(prompt_tokens=read))

    return asyncio.run(main())


def paths(fake: FakeOllama) -> list[str]:
    return [request.path for request in fake.recorded]


def shows(fake: FakeOllama, body: str, status: int = 200) -> None:
    fake.fails(status, body, path="/api/show", times=3)


# ---- nothing to ask --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [asking("Hi"), asking("Hi", options={"num_ctx": 8192}), asking(long(1000))])
def test_a_short_prompt_costs_no_request(fake: FakeOllama, request_: Request) -> None:
    found = checked(fake, request_)
    assert found.request is request_
    assert found.tokens == prompt_tokens(request_)
    assert not found.notices
    assert after(fake, found, 10) == ""
    assert not fake.recorded


def test_a_server_that_tells_nothing_stops_nothing(fake: FakeOllama) -> None:
    for path in ("/api/show", "/api/ps"):
        fake.fails(404, "404 page not found", path=path, times=5)
    request = asking(long(20_000), images=(PICTURE,), think="low")
    found = checked(fake, request)
    assert found.request == request
    assert not found.notices


# ---- pictures --------------------------------------------------------------------------------------------------


def test_a_picture_for_a_model_without_eyes_is_refused(fake: FakeOllama) -> None:
    with pytest.raises(Unsupported, match="cannot see pictures"):
        checked(fake, asking("What?", images=(PICTURE,)))


def test_a_picture_for_one_with_eyes_is_not(fake: FakeOllama) -> None:
    fake.models.append(model_entry("eyes:1b", capabilities=("completion", "vision")))
    request = Request("eyes:1b", asking("What?", images=(PICTURE,)).messages)
    assert checked(fake, request).request is request
    assert paths(fake) == ["/api/show"]


def test_an_older_server_that_knows_no_capabilities_is_believed_able(fake: FakeOllama) -> None:
    shows(fake, '{"details": {}}')
    assert not checked(fake, asking("What?", images=(PICTURE,), think="low")).notices


def test_the_embedded_engine_has_no_eyes() -> None:
    async def main() -> None:
        async with Client(mode="embedded") as client:
            with pytest.raises(Unsupported, match="cannot see pictures"):
                await check(client, asking("What?", images=(PICTURE,)))

    asyncio.run(main())


def test_the_embedded_engines_model_has_no_hands() -> None:
    async def main(**settings: Any) -> tuple[str, ...]:
        async with Client(mode="embedded", **settings) as client:
            return (await check(client, asking("Add", tools=({"type": "function"},)))).notices

    assert "cannot call tools" in asyncio.run(main())[0]
    assert not asyncio.run(main(gguf="my-own.gguf"))


# ---- thinking --------------------------------------------------------------------------------------------------

LEVELS = '{"capabilities": ["thinking"], "thinking": {"values": ["low", "medium", "high"], "default": "medium"}}'
SWITCH = '{"capabilities": ["thinking"], "thinking": {"values": [true, false]}}'


@pytest.mark.parametrize(
    ("body", "think"),
    [
        (LEVELS, "low"),
        (LEVELS, True),
        (LEVELS, False),
        (SWITCH, True),
        ('{"capabilities": ["thinking"]}', "low"),
        ('{"capabilities": ["thinking"]}', "x-high"),
        ("{}", "low"),
        ('{"capabilities": ["completion"]}', False),
        ('{"capabilities": null, "thinking": "odd"}', "low"),
    ],
)
def test_thinking_that_may_be_asked_for(fake: FakeOllama, body: str, think: bool | str) -> None:
    shows(fake, body)
    request = asking("Hi", think=think)
    assert checked(fake, request).request is request


@pytest.mark.parametrize(
    ("body", "think", "said"),
    [
        (LEVELS, "hihg", "Did you mean high"),
        (LEVELS, "huge", "It has low, medium, high"),
        (SWITCH, "low", "use --think or --no-think"),
        ('{"capabilities": ["completion"]}', True, "Leave --think out"),
        ('{"capabilities": ["completion"]}', "low", "Leave --think out"),
    ],
)
def test_thinking_that_may_not(fake: FakeOllama, body: str, think: bool | str, said: str) -> None:
    shows(fake, body)
    with pytest.raises(Unsupported, match="nothing was sent") as caught:
        checked(fake, asking("Hi", think=think))
    assert said in caught.value.hint


# ---- length, before --------------------------------------------------------------------------------------------


def test_the_context_that_the_model_is_loaded_with_counts(fake: FakeOllama) -> None:
    fake.loaded.append(MODEL)  # /api/ps says 4,096, /api/show 8,192
    found = checked(fake, asking(long(6000)))
    assert "the context 4,096" in found.notices[0]
    assert "--num-ctx 8192" in found.notices[0]
    assert paths(fake) == ["/api/show", "/api/ps"]


def test_else_the_models_own(fake: FakeOllama) -> None:
    assert not checked(fake, asking(long(6000))).notices
    [notice] = checked(fake, asking(long(9000))).notices
    assert "reads at most 8,192" in notice
    assert "--num-ctx" not in notice


def test_a_context_that_was_asked_for_counts_at_any_length(fake: FakeOllama) -> None:
    [notice] = checked(fake, asking(long(1000), options={"num_ctx": 512})).notices
    assert "the context 512" in notice
    assert "--num-ctx 4096" in notice
    assert "/api/ps" not in paths(fake)


def test_no_more_is_asked_for_than_the_model_has(fake: FakeOllama) -> None:
    [notice] = checked(fake, asking(long(7000), options={"num_ctx": 2048})).notices
    assert "--num-ctx 8192" in notice


def test_the_oldest_turns_are_left_out_and_the_system_prompt_is_kept(fake: FakeOllama) -> None:
    fake.loaded.append(MODEL)
    turns = asking("first " + long(2000), "second " + long(2000), "last").messages
    request = Request(MODEL, (Message("system", "Be brief."), *turns))
    found = checked(fake, request)
    assert [message.content.partition(" ")[0] for message in found.request.messages] == ["Be", "second", "Yes.", "last"]
    [notice] = found.notices
    assert "oldest 1 turn was left out" in notice
    assert found.tokens == prompt_tokens(found.request)


def test_a_last_turn_that_alone_is_too_long_is_told_after_the_trimming(fake: FakeOllama) -> None:
    fake.loaded.append(MODEL)
    found = checked(fake, asking("first", "second", long(6000)))
    assert len(found.request.messages) == 1
    assert ["left out" in notice for notice in found.notices] == [True, False]


# ---- length, after ---------------------------------------------------------------------------------------------


def test_a_prompt_that_was_cut_is_told(fake: FakeOllama) -> None:
    found = checked(fake, asking(long(6000)))  # not loaded yet: nobody knew
    assert not found.notices
    fake.loaded.append(MODEL)
    notice = after(fake, found, 2050)
    assert "read 2,050 tokens" in notice
    assert "--num-ctx 8192" in notice


def test_the_way_out_is_told_once(fake: FakeOllama) -> None:
    fake.loaded.append(MODEL)
    found = checked(fake, asking(long(6000)))
    assert "--num-ctx" in found.notices[0]
    assert after(fake, found, 2050).endswith("it dropped the rest.")


@pytest.mark.parametrize("read", [5000, 6000, None])
def test_one_that_was_read_is_not(fake: FakeOllama, read: int | None) -> None:
    found = checked(fake, asking(long(6000)))
    before = len(fake.recorded)
    assert after(fake, found, read) == ""
    assert len(fake.recorded) == before


def test_a_frugal_tokenizer_is_no_sign_of_a_cut(fake: FakeOllama) -> None:
    fake.loaded.append(MODEL)
    found = checked(fake, asking("猫在垫子上。" * 330))  # some 3,500 tokens by the estimate; this model needs half
    assert 1980 < found.tokens < 4096
    assert after(fake, found, 990) == ""


def test_a_cut_to_a_small_context_is_told_for_a_short_prompt_too(fake: FakeOllama) -> None:
    found = checked(fake, asking(long(1000), options={"num_ctx": 512}))
    assert "it dropped the rest" in after(fake, found, 260)


def test_pictures_count_differently_everywhere(fake: FakeOllama) -> None:
    assert after(fake, Checked(asking(long(6000), images=(PICTURE,)), 6000), 100) == ""
