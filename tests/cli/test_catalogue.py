import json

import pytest

import ranvier.neurons


def test_the_list_of_neurons_is_what_the_room_exports(shell):
    result = shell("list", "--neurons", "--json")
    names = set(json.loads(result.stdout)["neurons"])
    exported = {n for n in ranvier.neurons.__all__ if isinstance(getattr(ranvier.neurons, n), type)}
    assert {"LIF", "IF", "PLIF"} <= names <= exported


def test_each_neuron_is_listed_with_the_first_line_of_its_page(shell):
    listed = json.loads(shell("list", "--neurons", "--json").stdout)["neurons"]
    assert listed["LIF"] == "Leaky integrate-and-fire neuron."
    assert all(listed.values())


def test_a_plain_list_shows_every_kind(shell):
    page = shell("list").stdout
    for word in ("systems", "neurons", "surrogates", "rules", "stbp", "Spatio-temporal", "LIF", "ATan", "BPTT"):
        assert word in page


def test_options_choose_the_kinds(shell):
    assert set(json.loads(shell("list", "--rules", "--surrogates", "--json").stdout)) == {"rules", "surrogates"}


@pytest.mark.parametrize("name", ["lif", "LIF"])
def test_show_prints_a_neuron_s_page_and_equations(shell, name):
    page = shell("show", name).stdout
    assert "Leaky integrate-and-fire neuron." in page
    assert "tau_m" in page
    assert "Source: Gerstner" in page
    assert "SpikingJelly" in page  # from describe(): the same neuron in the words of the peers


def test_show_prints_a_system_with_paper_options_claim_and_control(shell):
    page = shell("show", "stbp").stdout
    assert "Wu, Deng, Li, Zhu and Shi (2018)" in page
    assert "train.optimiser.lr" in page
    assert "Control, which must fail: horizon=1" in page


def test_show_prints_a_system_and_the_rule_it_is_named_after(shell):
    page = shell("show", "sltt").stdout
    assert "Meng, Xiao, Yan, Wang, Lin and Luo (2023)" in page
    assert "SLTT  (ranvier.rules.sltt)" in page
    assert "SLTT-K back-propagates" in page


def test_show_gives_json(shell):
    system = json.loads(shell("show", "stbp", "--json").stdout)
    assert system["paper"]["identifier"] == "arXiv:1706.02609"
    assert system["config"]["task"] == "digit"
    assert system["claim"]["control"]["horizon"] == 1
    neuron = json.loads(shell("show", "lif", "--json").stdout)
    assert (neuron["name"], neuron["kind"]) == ("LIF", "neurons")


def test_an_unknown_name_lists_near_ones(shell):
    result = shell("show", "izikevich")
    assert result.exit_code == 2
    assert "got 'izikevich'. Did you mean 'izhikevich'" in result.stderr
