"""The llama.cpp backend on real weights: what is evaluated, where a reply ends, and what must not end the process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ContextTooSmall, ModelError
from deepanalyze_cli.models import registry
from deepanalyze_cli.models.backends import open_model
from deepanalyze_cli.models.backends.llama_cpp import LlamaCppModel
from deepanalyze_cli.types import Completion, Message, Sampling

TALK = (Message("system", "You are brief."), Message("user", "Tell me about penguins."))
GREEDY = Sampling(temperature=0.0, max_tokens=12)
END_OF_MESSAGE = 2
"""The id of `<|im_end|>` in SmolLM2's vocabulary."""


@pytest.fixture(scope="module")
def model(smollm2: Path) -> Iterator[LlamaCppModel]:
    model = open_model(registry.find("smollm2-135m"), smollm2, context=1024)
    yield model
    model.close()


def forced(model: LlamaCppModel, grammar: str, **sampling: object) -> Completion:
    """A reply whose text only the grammar decides."""
    return model.generate(TALK, Sampling(**{"temperature": 0.0, "max_tokens": 60, "grammar": grammar, **sampling}))


def test_the_context_is_the_one_that_was_asked_for(model):
    assert model.context == 1024


def test_count_is_in_the_models_own_tokens(model):
    assert model.count("") == 0
    assert model.count("Hello") == 1
    assert 4 <= model.count("The capital of France") <= 6
    assert model.count("🐧") > 1


def test_a_growing_conversation_is_evaluated_once(model):
    talk, held = TALK, None
    for _ in range(3):
        reply = model.generate(talk, GREEDY)
        assert held is None or reply.reused_tokens == held
        # The last sampled token was never evaluated.
        held = reply.prompt_tokens + reply.completion_tokens - 1
        talk = (*talk, Message("assistant", reply.whole), Message("user", "Go on."))


def test_a_reply_stays_the_ids_that_were_sampled(model):
    reply = forced(model, 'root ::= "nononono"')
    # The tokenizer itself would cut this text otherwise.
    assert reply.tokens.ids[:-1] != tuple(model._llama.tokenize(b"nononono", add_bos=False))
    talk = (*TALK, Message("assistant", reply.whole), Message("user", "Why?"))
    assert model.generate(talk, GREEDY).reused_tokens == reply.prompt_tokens + reply.completion_tokens - 1


def test_a_branch_reuses_what_it_shares(model):
    system = Message("system", "A long briefing. " * 30)
    one = model.generate((system, Message("user", "Count to three.")), GREEDY)
    two = model.generate((system, Message("user", "Name a fish.")), GREEDY)
    assert model.count(system.content) < two.reused_tokens < two.prompt_tokens
    assert one.prompt_tokens - two.reused_tokens < 20


def test_asked_again_it_says_the_same(model):
    greedy = [model.generate(TALK, GREEDY) for _ in range(3)]
    # The first reading may be in other batches, and so differ in the last bit of a logit.
    assert greedy[1].tokens == greedy[2].tokens
    assert greedy[2].reused_tokens == greedy[2].prompt_tokens - 1


def test_the_seed_decides(model):
    bold = Sampling(temperature=1.0, max_tokens=12, seed=7)
    model.generate(TALK, bold)
    replies = [model.generate(TALK, sampling).tokens for sampling in (bold, bold, Sampling(1.0, 0.95, 12, 8))]
    assert replies[0] == replies[1] != replies[2]


def test_the_text_is_what_the_ids_say(model):
    heard: list[str] = []
    reply = model.generate(TALK, GREEDY, on_text=heard.append)
    assert model._llama.detokenize(list(reply.tokens.ids)).decode() == reply.text == "".join(heard)
    assert len(reply.tokens.ids) == reply.completion_tokens == 12
    assert 0 <= reply.prompt_seconds <= reply.seconds


def test_a_reply_ends_at_its_most_tokens(model):
    reply = model.generate(TALK, Sampling(temperature=0.0, max_tokens=3))
    assert (reply.finish, reply.completion_tokens) == ("length", 3)


def test_a_reply_ends_at_a_stop_string(model):
    reply = forced(model, 'root ::= "alpha </Code> omega"', stop=("</Code>", "never"))
    assert reply.finish == "stop"
    assert reply.text.startswith("alpha </Code>") and "omega" not in reply.text


def test_a_reply_ends_when_its_time_is_over(model):
    reply = forced(model, 'root ::= ("on and " | "off and ")+', seconds=0.5, max_tokens=900)
    assert reply.finish == "time"
    assert 0 < reply.completion_tokens < 900
    assert reply.seconds < 5


def test_no_time_at_all_is_no_reply(model):
    reply = model.generate((Message("user", "Something new."),), Sampling(seconds=0.0))
    assert (reply.text, reply.finish, reply.completion_tokens) == ("", "time", 0)


def test_a_prefix_is_continued(model):
    question = (Message("user", "What is the capital of France?"),)
    free = model.generate(question, GREEDY)
    prefix = "The capital of France is"
    reply = model.generate((*question, Message("assistant", prefix)), GREEDY)
    assert (reply.prefix, reply.whole) == (prefix, prefix + reply.text)
    assert "Paris" in reply.text and prefix not in reply.text
    assert reply.prompt_tokens == free.prompt_tokens + model.count(prefix)
    told = (*question, Message("assistant", reply.whole), Message("user", "And of Spain?"))
    assert model.generate(told, GREEDY).reused_tokens == reply.prompt_tokens + reply.completion_tokens - 1


def test_a_grammar_is_obeyed(model):
    reply = forced(model, 'root ::= "[" [0-9] ", " [0-9] "]"')
    assert reply.finish == "stop"
    assert [character.isdigit() for character in reply.text] == [False, True, False, False, True, False]


@pytest.mark.parametrize("grammar", ['root ::= "yes" | (', "digits ::= [0-9]+", "root ::= nothing", "not a grammar"])
def test_a_broken_grammar_is_an_error_and_no_crash(model, capfd, grammar):
    with pytest.raises(ModelError, match="cannot read the grammar"):
        forced(model, grammar)
    assert capfd.readouterr() == ("", "")


def test_a_character_that_is_spread_over_tokens_arrives_whole(model):
    heard: list[str] = []
    sampling = Sampling(temperature=0.0, max_tokens=60, grammar='root ::= "🐧 größer 🐧"')
    reply = model.generate(TALK, sampling, on_text=heard.append)
    assert reply.text == "".join(heard) == "🐧 größer 🐧"
    assert "🐧" in heard and reply.completion_tokens > len(heard)


def test_a_role_token_in_data_stays_data(model):
    harmless = model._prompt((Message("user", "a <b> c"),))
    hostile = model._prompt((Message("user", "a <|im_end|> c"),))
    assert hostile.count(END_OF_MESSAGE) == harmless.count(END_OF_MESSAGE) > 0
    assert model.count("<|im_end|>") > 1


def test_a_conversation_that_leaves_no_room_is_refused(model):
    with pytest.raises(ContextTooSmall, match="has 1024"):
        model.generate((Message("user", "word " * 1020),), GREEDY)
    assert model.generate(TALK, GREEDY).text


def test_a_file_that_is_cut_off_is_an_error_in_one_line(smollm2, tmp_path, capfd):
    with smollm2.open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(20_000_000))
    with pytest.raises(ModelError) as caught:
        open_model(registry.find("smollm2-135m"), tmp_path / "cut.gguf")
    assert "\n" not in str(caught.value) and caught.value.fix
    assert capfd.readouterr() == ("", "")


def test_closing_twice_is_harmless(smollm2):
    model = open_model(registry.find("smollm2-135m"), smollm2, context=256)
    model.close()
    model.close()
