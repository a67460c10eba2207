"""Conversations become prompts: as the model's template has it, or plainly."""

import pytest
from transformers import PreTrainedTokenizerFast

from core.errors import UsageError
from core.generation.chat import ChatTemplate, Message
from core.models.foreign.described import task_of_base
from core.models.hub.base import Base
from core.tasks.text_generation import TextGeneration
from tests.models import bases

from .conftest import TEXT

TALK = [Message("system", "Be short."), Message("user", "Zwei & zwei?\n")]
TEMPLATE = """{{ bos_token }}
{%- for message in messages %}
    {%- if message['role'] not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('who is that?') }}
    {%- endif %}
<|{{ message['role'] }}|>{{ message['content'] | trim }}{{ message | tojson }}
{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""


@pytest.mark.parametrize("jinja_file", [True, False])
def test_a_template_of_a_folder_is_kept_and_writes_what_transformers_writes(tmp_path, jinja_file):
    folder = bases.gpt2(tmp_path / "gpt2", TEXT[:20_000].splitlines())
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    theirs.bos_token = "<s>"
    theirs.chat_template = TEMPLATE
    theirs.save_pretrained(folder, save_jinja_files=jinja_file)
    task = task_of_base(Base.find(str(folder)))
    back = TextGeneration.from_json(task.to_json())
    wanted = theirs.apply_chat_template(
        [each.to_json() for each in TALK], tokenize=False, add_generation_prompt=True
    )
    assert back.chat.written(TALK) == wanted
    assert wanted.startswith("<s>")
    assert '"Zwei & zwei?' in wanted


def test_without_a_template_it_is_written_plainly():
    plain = ChatTemplate()
    talk = [*TALK, Message("assistant", "Vier."), Message("user", "Sure?")]
    assert plain.written(talk) == (
        "System: Be short.\n\nUser: Zwei & zwei?\n\n\nAssistant: Vier.\n\nUser: Sure?\n\nAssistant:"
    )
    assert "\nUser:" in plain.stops


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception('no system prompts') }}",
        "{% for m in messages %}",
        "{{ nothing.at.all }}",
        "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
    ],
)
def test_a_template_that_cannot_be_run_is_refused(template):
    with pytest.raises(UsageError, match="chat template"):
        ChatTemplate(template).written(TALK)


@pytest.mark.parametrize("given", [{}, {"role": "me", "content": ""}, {"role": "user"}, "hello"])
def test_what_is_no_message_is_refused(given):
    with pytest.raises(UsageError, match="a message is a role"):
        Message.of(given)
