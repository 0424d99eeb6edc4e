import json

TINY = (
    "--set", "task.source=nmnist", "--set", "task.limit=10", "--set", "task.test_limit=10", "--set", "task.shrink=4",
    "--set", "task.pad=0", "--set", "task.steps=1", "--set", "train.epochs=1",
)  # fmt: skip


def test_systems_are_compared_by_one_recipe_accuracy_against_energy(shell, tmp_path):
    result = shell("bench", "spikformer", "spikformer-v2", *TINY, "--json", "--out", tmp_path / "bench.json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((tmp_path / "bench.json").read_text())
    assert set(found["systems"]) == {"spikformer", "spikformer-v2"}
    assert found["contest"]["task"]["source"] == "nmnist"
    for system in found["systems"].values():
        assert set(system["measured"][0]) >= {"accuracy", "rate", "energy_nj"}
        assert system["parameters"] > 1000
    assert any(system["best"] for system in found["systems"].values())
    assert found["environment"]["python"]


def test_a_table_names_the_systems_and_what_is_left_out(shell):
    result = shell("bench", "spikformer-v2", *TINY)
    assert result.exit_code == 0, result.output
    assert "nJ an image" in result.output
    assert "memory traffic is left out" in result.output


def test_workloads_and_systems_do_not_mix_and_workloads_have_no_options(shell):
    result = shell("bench", "spikformer", "lif-layer")
    assert result.exit_code != 0
    assert "lif-layer" in result.output
    result = shell("bench", "lif-layer", "--set", "task.steps=1")
    assert result.exit_code != 0
    assert "systems to compare" in result.output


def test_a_system_competes_with_each_neuron_and_each_code(shell):
    result = shell("bench", "spikformer", *TINY, "--neurons", "lif,plif", "--codes", "direct,rate", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["systems"]
    assert list(found) == [f"spikformer, {n}, {c}" for n in ("lif", "plif") for c in ("direct", "rate")]
    parameters = [system["parameters"] for system in found.values()]
    assert parameters[0] == parameters[1] < parameters[2] == parameters[3]  # a leak a layer
    energies = [system["measured"][0]["energy_nj"] for system in found.values()]
    assert energies[0] != energies[1]


def test_what_a_system_cannot_choose_is_refused(shell):
    result = shell("bench", "max-former", *TINY, "--neurons", "plif")
    assert result.exit_code != 0
    assert "systems whose neurons can be chosen" in result.output.replace("\n", " ")
    result = shell("bench", "spikformer", *TINY, "--codes", "morse")
    assert result.exit_code != 0
    assert "morse" in result.output
    result = shell("bench", "lif-layer", "--neurons", "plif")
    assert result.exit_code != 0
    assert "systems to compare" in result.output
