"""What a training may be told: the options of a task and of its models, with bounds."""

from __future__ import annotations

from core.data.builtin.samples import sample_data
from core.models.architectures import ARCHITECTURES
from core.tasks import TASKS, task
from tests.cli.conftest import Shell


def test_help_leads_to_a_list_of_every_option_and_its_bounds(lepton: Shell) -> None:
    assert "lepton train DATASET --options" in " ".join(lepton("train", "--help").out.split())
    source = sample_data() / "series" / "chicago_ridership.csv"
    kind = task("time-series-forecasting")
    assert lepton("data", "import", source, "--name", "rides").code == 0
    asked = ("rides", "--target", "ridership", "--task", kind.name)
    told = " ".join(lepton("train", *asked, "--options").out.split())
    assert "horizon steps that are told: a whole number from 1 to 100000, or 0 to choose" in told
    listed = lepton("train", *asked, "--options", "--json").json
    assert [each["name"] for each in listed["options"]] == [each.name for each in kind.options]
    assert [each["name"] for each in listed["models"]] == [*kind.architectures, "pretrained"]
    no_model = lepton("train", *asked, "--options", "-m", "cnn")
    assert (no_model.code, no_model.out) == (2, "")
    assert lepton("runs", "ls", "--kind", "train", "--json").json == []


def test_the_architectures_of_a_task_come_with_the_options_of_both(lepton: Shell) -> None:
    told = lepton("models", "ls", "--architectures", "--task", "text-classification").out
    kind = task("text-classification")
    known = [kind.options, *(ARCHITECTURES[name].options for name in kind.architectures)]
    for option in (each for options in known for each in options):
        assert f"  {option.name} " in told
    assert "the model any pretrained model" in told
    listed = lepton("models", "ls", "--architectures", "--json").json
    assert {name for each in listed for name in each["tasks"]} == set(TASKS)
    assert all(set(each["options"]) == {one["name"] for one in each["bounds"]} for each in listed)
