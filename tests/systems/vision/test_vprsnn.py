import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, DataError
from ranvier.data.sets import place_recognition
from ranvier.data.sets.route import Route
from ranvier.nn.stream import Stream
from ranvier.rules import Arrivals
from ranvier.runs import Run
from ranvier.systems import load
from ranvier.systems.config import override, to_plain
from ranvier.systems.vision import vprsnn
from ranvier.systems.vision.vprsnn import Beside, Config, Rates, Readout

TINY = Config(
    side=8, experts=3, places=2, neurons=6, rates=Rates(steps=60), longest=3.0, total=40.0, tau_e=2.0, t_mute=0.0, nu_post=0.3,
    epochs=1, route=Route(side=16), calibration=2,
)  # fmt: skip


def silent(*_):
    pass


def test_the_network_of_the_paper_has_its_synapses():
    groups = vprsnn.build(Config()).get_submodule("groups")
    assert groups.weight.shape == (6, 100, 784)
    assert groups.delay.max() == 10
    assert groups.delay.min() == 0
    assert 0.003 <= groups.weight.min() < 0.01
    assert 0.3 < groups.weight.max() <= 0.303
    assert groups.excitatory.t_ref + groups.excitatory.t_mute == 50.0
    assert (groups.inhibitory.v_th, groups.inhibitory.e_inh, groups.inhibitory.tau_m) == (-40.0, -85.0, 10.0)


def test_the_experts_learn_their_own_views_and_their_weights_stay_normalised():
    views, net = vprsnn.look(TINY), vprsnn.build(TINY)
    groups = net.get_submodule("groups")
    before = groups.weight.clone()
    winner = vprsnn.epoch(net, TINY, views, 0, Arrivals.of(groups))
    assert 1 / 6 < winner <= 1
    assert not torch.equal(groups.weight, before)
    torch.testing.assert_close(groups.weight.sum(-1), torch.full((3, 6), 40.0))
    assert groups.theta.sum() > 0


def test_an_expert_is_the_same_alone_as_among_others():
    views, net = vprsnn.look(TINY), vprsnn.build(TINY)
    first = vprsnn.respond(net, TINY, views.query_PN, "x")[:, 0]
    groups = net.get_submodule("groups")
    with torch.no_grad():
        groups.weight[1:] = 0
    assert torch.equal(vprsnn.respond(net, TINY, views.query_PN, "x")[:, 0], first)


def test_inputs_fire_at_a_quarter_of_their_pixel():
    draw = torch.Generator().manual_seed(0)
    spikes = vprsnn.poisson(torch.tensor([[0.0, 128.0, 255.0]]), Rates(steps=40000), draw)
    np.testing.assert_allclose(spikes.mean(0)[0] * 1000, [0, 32, 63.75], rtol=0.05)


def test_assignment_and_activity_are_those_of_plain_loops():
    views, net = vprsnn.look(TINY), vprsnn.build(TINY)
    vprsnn.epoch(net, TINY, views, 0, Arrivals.of(net.get_submodule("groups")))
    readout = vprsnn.assign(net, TINY, views)
    shown = [vprsnn.respond(net, TINY, v, f"reference {k}").numpy() for k, v in enumerate(views.reference_VPN)]
    for g in range(3):
        for m in range(6):
            per_place = [sum(visit[p, g, m] for visit in shown) for p in (2 * g, 2 * g + 1)]
            wanted = -1 if max(per_place) == 0 else 2 * g + int(np.argmax(per_place))
            assert readout.place_GM[g, m] == wanted
            assert readout.activity_GM[g, m] == sum(visit[p, g, m] > 0 for visit in shown for p in range(6))


def test_votes_are_means_and_hyperactive_neurons_have_none():
    readout = Readout(torch.tensor([[0, 0, 1], [2, 3, -1]]), torch.tensor([[1, 9, 2], [3, 2, 0]]))
    responses = torch.tensor([[[4.0, 2.0, 1.0], [0.0, 2.0, 7.0]], [[0.0, 5.0, 0.0], [0.0, 0.0, 0.0]]])
    naive = vprsnn.scores(readout, responses, float("inf"), 4)
    assert naive.tolist() == [[3.0, 1.0, 0.0, 2.0], [2.5, 0.0, 0.0, 0.0]]
    silenced = vprsnn.scores(readout, responses, 9, 4)
    assert silenced[0].tolist() == [2.0, 1.0, 0.0, 2.0]  # still over two neurons
    assert silenced[1].tolist() == [-torch.inf] * 4  # nothing is left: no answer


def test_calibration_silences_the_neuron_that_fires_at_everything():
    # Neuron 1 of expert 0 outvotes all; each other neuron fires at its own place alone.
    readout = Readout(torch.tensor([[0, 1], [2, 3]]), torch.tensor([[1, 8], [1, 1]]))
    responses = torch.zeros(4, 2, 2)
    for place, (g, m) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        responses[place, g, m] = 3.0
    responses[:, 0, 1] = 5.0
    assert vprsnn.calibrate(readout, responses, torch.eye(4, dtype=torch.bool)) == 8.0


def test_the_read_out_of_the_network_gives_the_scores():
    views, net = vprsnn.look(TINY), vprsnn.build(TINY)
    vprsnn.epoch(net, TINY, views, 0, Arrivals.of(net.get_submodule("groups")))
    readout, least, _ = vprsnn.deploy(net, TINY, views)
    x = vprsnn.poisson(views.query_PN, TINY.rates, torch.Generator().manual_seed(3))
    counts = net.get_submodule("groups")(x).sum(0)
    wanted = vprsnn.scores(readout, counts, least, 6)
    said = net(x).sum(0)
    answered = wanted[:, 0] > -torch.inf
    torch.testing.assert_close(said[answered], wanted[answered])
    stream = Stream(net, batch=6)
    torch.testing.assert_close(sum(stream.run(part).sum(0) for part in x.split(9)), said)


def test_measuring_twice_gives_the_same_and_the_control_recovers_nothing():
    first, again = (vprsnn.measure(TINY, 3, silent) for _ in range(2))
    assert first == again
    assert first["rate"] > 0
    assert first["energy_nj"] > 0
    claim = load("vprsnn").claim
    assert claim.control == replace(claim.config, regularise=False, beside=None) == claim.fast.control
    good = {"recall_1": 0.62, "naive": 0.4, "own": 0.8, "shuffled": 0.45}
    good |= {f"ensemble_240_{figure}": value for figure, value in good.items()}
    assert claim.passes(good)
    for worse in (
        {"recall_1": 0.55},
        {"own": 0.45},
        {"ensemble_240_recall_1": 0.55},
        {"ensemble_240_own": 0.45},
        {"shuffled": 0.61},
    ):
        assert not claim.passes(good | worse)
    control = vprsnn.measure(replace(TINY, regularise=False), 3, silent)
    assert control["recovered"] == 0
    assert control["recall_1"] == control["naive"] == first["naive"]
    assert control["shuffled"] == pytest.approx(control["naive"])
    assert not claim.passes(control)


def test_recorded_places_count_frames_and_not_places(monkeypatch):
    seen = np.random.default_rng(0).integers(0, 256, (7, 1, 16, 16), np.uint8)
    frames = np.array([0, 1, 4, 5, 6, 9, 20])
    monkeypatch.setattr(
        place_recognition, "load", lambda part: place_recognition.Places(seen, seen[::-1].copy(), frames)
    )
    config = replace(TINY, views="gardens_point", tolerance=2)
    views = vprsnn.look(config)
    assert views.reference_VPN.shape == (1, 6, 64)
    assert views.position_P.tolist() == [0, 1, 4, 5, 6, 9]
    # Each place has a neuron of its own, and every query fires that of place 3, frame 5.
    readout = Readout(torch.arange(6).view(3, 2), torch.ones(3, 2, dtype=torch.int64))
    responses = torch.zeros(6, 3, 2)
    responses[:, 1, 1] = 1
    found = vprsnn.judge(config, views, readout, float("inf"), responses)
    assert found["recall_1"] == 3 / 4  # frames 4, 5 and 6; 9 is too far, and 0 and 1 calibrate
    assert found["recall_full_precision"] == 0


def test_baselines_that_see_the_same_views_again_are_perfect():
    views = vprsnn.look(TINY)
    same = views._replace(reference_VPN=torch.stack([views.query_PN.roll(1, 0), views.query_PN]))
    readout = Readout(torch.zeros(3, 6, dtype=torch.int64), torch.zeros(3, 6, dtype=torch.int64))
    found = vprsnn.judge(TINY, same, readout, float("inf"), torch.zeros(6, 3, 6))
    assert found["recall_1"] == 0
    ties = [found[name] for name in ("sad", "sad_full_precision", "vlad", "vlad_full_precision")]
    assert ties == [0, 0, 0, 0]  # the best view was seen at two places
    same = views._replace(reference_VPN=views.query_PN[None])
    found = vprsnn.judge(TINY, same, readout, float("inf"), torch.zeros(6, 3, 6))
    assert [found[name] for name in ("sad", "sad_full_precision", "vlad", "vlad_full_precision")] == [1, 1, 1, 1]


def test_the_one_network_has_the_neurons_of_all_experts_and_the_same_route():
    config = replace(TINY, beside=Beside(pairs=("sped",), experts=(2, 4), single=(4,)))
    asked = {name: other for name, (other, _) in vprsnn.besides(config).items()}
    assert list(asked) == ["sped", "ensemble_4", "ensemble_8", "single_8"]
    assert (asked["sped"].views, asked["sped"].experts, asked["sped"].tolerance) == ("sped", 273, 0)
    many, one = (vprsnn.build(asked[name])["groups"] for name in ("ensemble_8", "single_8"))
    assert many.weight.shape == (4, 6, 64)
    assert one.weight.shape == (1, 24, 64)
    assert torch.equal(vprsnn.look(asked["ensemble_8"]).query_PN, vprsnn.look(asked["single_8"]).query_PN)
    assert vprsnn.besides(TINY) == {}


def test_what_is_measured_besides_is_what_it_is_alone():
    beside = Beside(pairs=(), experts=(4,), single=(4,))
    found = vprsnn.measure(replace(TINY, beside=beside), 3, silent)
    alone = vprsnn.measure(replace(TINY, experts=4), 3, silent)
    single = vprsnn.measure(replace(TINY, experts=1, places=8, neurons=24), 3, silent)
    for figure in vprsnn.OF_ROUTES:
        assert found[f"ensemble_8_{figure}"] == alone[figure]
        assert found[f"single_8_{figure}"] == single[figure]
    assert single["own"] == single["naive"]
    assert vprsnn.measure(TINY, 3, silent).items() <= found.items()


def test_a_run_leaves_results_and_goes_on_to_the_same_bits(tmp_path):
    config = replace(TINY, epochs=2)
    for name in ("straight", "resumed"):
        Run.create(tmp_path / name, name="vprsnn", config=to_plain(config))
    assert vprsnn.train(config, tmp_path / "straight", lambda *_, **__: None) == ""
    vprsnn.train(replace(config, epochs=1), tmp_path / "resumed", lambda *_, **__: None)
    run = Run.open(tmp_path / "resumed")
    (run.checkpoints.folder / "step-000000002").rename(tmp_path / "aside")  # as if it had been killed after an epoch
    assert vprsnn.train(config, tmp_path / "resumed", lambda *_, **__: None) == ""
    ends = [Run.open(tmp_path / n).newest().checkpoint.tree["net"] for n in ("straight", "resumed")]
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name
    assert (tmp_path / "straight" / "results.json").exists()


def test_options_reach_the_nested_parts():
    large = override(vprsnn.SYSTEM.claim.config, ["beside.single=[4]", "beside.pairs=[sped]"])
    assert large.beside == Beside(pairs=("sped",), single=(4,))
    config = override(Config(), ["rates.steps=20", "route.drift=1.0", "epochs=3"])
    assert (config.rates.steps, config.route.drift, config.epochs) == (20, 1.0, 3)


def test_shared_views_are_asked_for_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="place_recognition"):
        vprsnn.look(replace(TINY, views="gardens_point"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"experts": 0}, "vprsnn: experts: expected at least 1, got 0."),
        ({"calibration": 60}, "vprsnn: calibration: expected at least 1 place to calibrate on, and fewer than there are, got 60."),
        ({"total": 0.0}, "vprsnn: expected total > 0, longest >= 0 and tolerance >= 0, got 0.0, 10.0, 0."),
    ],
)  # fmt: skip
def test_mistakes_are_named(options, text):
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}"):
        Config(**options)
    with pytest.raises(ConfigError, match=r"^vprsnn: rates: expected steps >= 1"):
        Rates(divisor=0.1)
