import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ranvier.core.errors import ShapeError
from ranvier.measure.collect import About, Answers, collect, kind
from ranvier.measure.constants import Constants
from ranvier.neurons.lif import LIF
from ranvier.nn.psn import PSN
from ranvier.nn.sequential import Sequential
from ranvier.report.html import write
from ranvier.report.schema import Headline, Results

pytestmark = pytest.mark.filterwarnings("ignore:The slow executor:RuntimeWarning")  # where the kernel is not built

ABOUT = About(title="A test", seed=3, class_names=("ant", "bee", "cat"))


@pytest.fixture
def net():
    torch.manual_seed(0)
    lif = LIF(tau_m=2.0, decay_input=False)
    conv = nn.Conv2d(2, 4, 3, padding=1)
    nn.init.uniform_(conv.weight, 0, 0.4)
    return Sequential(conv, nn.BatchNorm2d(4), lif, nn.Flatten(), nn.Linear(4 * 36, 3))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    inputs = (torch.rand(8, 6, 2, 6, 6, generator=generator) < 0.3).float() * 2
    return inputs, torch.tensor([0, 1, 2, 0, 1, 2])


def last_rate(outputs, targets):
    return cross_entropy(outputs.mean(0), targets)


def test_what_is_collected_agrees_with_the_network_itself(net, batch):
    inputs, targets = batch
    found = collect(net, inputs, targets, about=ABOUT, loss=last_rate)
    net.eval()
    with torch.no_grad():
        outputs = net(inputs)
    predicted = outputs.mean(0).argmax(-1)
    heads = {h.label: h.value for h in found.headlines}
    assert heads["Accuracy"] == pytest.approx(100 * float((predicted == targets).float().mean()))
    assert heads["Loss"] == pytest.approx(float(last_rate(outputs, targets)))
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (targets.numpy(), predicted.numpy()), 1)
    assert found.confusion.counts == tuple(map(tuple, counts.tolist()))
    for sample in found.samples:
        assert sample.steps == 8
        assert len(sample.scores) == 8
        assert sample.frames.array().shape == (8, 2, 6, 6)
    assert {s.predicted for s in found.samples} <= set(predicted.tolist())


def test_layers_come_in_order_with_size_firing_and_work(net, batch):
    found = collect(net, *batch, about=ABOUT, constants=Constants(mac_pj=2.0, ac_pj=1.0, source="a test"))
    assert [(layer.name, layer.kind) for layer in found.layers] == [
        ("0", "Conv2d 2 → 4, 3×3"), ("1", "BatchNorm2d"), ("2", "LIF"), ("4", "Linear 144 → 3"),
    ]  # fmt: skip
    conv, _, lif, linear = found.layers
    assert conv.macs > 0
    assert conv.acs == 0, "the input holds twos"
    assert linear.acs > 0
    assert linear.macs == 0, "its input is spikes"
    assert linear.acs == pytest.approx(lif.activity.rate * 8 * 144 * 3), "each spike meets three weights"
    assert 0 < lif.activity.rate < 1
    assert conv.energy_pj == 2 * conv.macs
    assert found.energy.snn_pj == pytest.approx(2 * conv.macs + linear.acs)
    assert found.energy.ann_pj == pytest.approx((conv.dense + linear.dense) / 8 * 2)
    assert found.energy.source == "a test"


def test_rasters_and_traces_tell_the_same_spikes(net, batch):
    found = collect(net, *batch, about=ABOUT)
    (raster,) = found.samples[0].rasters
    assert raster.layer == "2 LIF"
    spikes = {(raster.neurons[row], step) for row, step in zip(raster.row, raster.step, strict=True)}
    assert spikes
    assert found.traces
    for trace in found.traces:
        assert len(trace.v) == 8
        assert trace.v_th == 1.0
        if trace.neuron in raster.neurons:
            assert {step for neuron, step in spikes if neuron == trace.neuron} == set(trace.spikes)


def test_collecting_changes_nothing_and_is_the_same_twice(net, batch):
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first = collect(net, *batch, about=ABOUT)
    assert first == collect(net, *batch, about=ABOUT)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_results_go_to_a_file_and_into_a_page(net, batch, tmp_path):
    found = collect(net, *batch, about=ABOUT)
    assert Results.read(found.write(tmp_path)) == found
    page = write(tmp_path).read_text()
    assert "A test" in page
    assert "2 LIF" in page
    assert "Conv2d 2 → 4, 3×3" in page


def test_answers_of_the_whole_test_set_count_for_accuracy_and_confusion(net, batch):
    answers = Answers(predicted_B=torch.tensor([0, 1, 1, 1]), targets_B=torch.tensor([0, 1, 1, 2]), loss=0.5)
    about = About(title="t", class_names=("a", "b", "c"), headlines=(Headline(label="first", value=1),))
    found = collect(net, *batch, about=about, answers=answers)
    assert found.headlines[0].label == "first"
    heads = {h.label: h for h in found.headlines}
    assert heads["Accuracy"].value == 75
    assert heads["Accuracy"].note == "3 of 4 samples"
    assert heads["Loss"].value == 0.5
    assert found.confusion.counts == ((1, 0, 0), (0, 2, 0), (0, 1, 0))


def test_without_targets_there_is_no_accuracy(net, batch):
    found = collect(net, batch[0], about=About(title="t"))
    assert found.confusion is None
    assert "Accuracy" not in [h.label for h in found.headlines]
    assert len(found.samples) == 3


def test_inputs_without_space_are_shown_as_a_raster(batch):
    torch.manual_seed(0)
    net = Sequential(nn.Linear(5, 6), LIF(tau_m=2.0, decay_input=False), nn.Linear(6, 3))
    inputs = (torch.rand(7, 4, 5, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    sample = collect(net, inputs, torch.tensor([0, 1, 2, 0]), about=ABOUT).samples[0]
    assert sample.frames is None
    raster = sample.rasters[0]
    assert (raster.layer, raster.num_neurons) == ("input", 5)
    assert len(raster.step) == int(inputs[:, 0].sum())


def test_a_network_without_neurons_can_be_collected():
    found = collect(nn.Linear(4, 3), torch.ones(2, 3, 4), torch.tensor([0, 1, 2]), about=ABOUT)
    assert found.traces == ()
    assert [layer.kind for layer in found.layers] == ["Linear 4 → 3"]


def test_targets_that_do_not_fit_are_an_error(net, batch):
    with pytest.raises(ShapeError, match=r"collect: targets_B: expected one class for each of 6 samples, got \(5,\)"):
        collect(net, batch[0], batch[1][:5], about=ABOUT)
    with pytest.raises(ShapeError, match="classes 0 to 1, one for each name"):
        collect(net, *batch, about=About(title="t", class_names=("a", "b")))


def test_classes_without_names_get_numbers_and_operations_that_are_not_counted_are_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.read = nn.Linear(4, 2)
            self.table = nn.Parameter(torch.ones(2, 2))

        def forward(self, x_TB):
            return self.read(x_TB.mean(0)) @ self.table

    found = collect(Net(), torch.ones(2, 3, 4), torch.tensor([0, 1, 0]), about=About(title="t"))
    assert found.confusion.class_names == ("0", "1")
    assert "Not counted: the network's own weights." in found.energy.caveat


def test_a_loss_that_is_not_finite_is_no_headline(net, batch):
    found = collect(net, *batch, about=ABOUT, loss=lambda outputs, targets: torch.tensor(float("nan")))
    assert "Loss" not in [h.label for h in found.headlines]


def test_a_network_without_operations_has_no_energy():
    assert collect(nn.Flatten(2), torch.ones(2, 1, 3), about=About(title="t")).energy is None


def test_a_kind_is_said_in_a_few_words():
    assert kind(nn.Conv1d(1, 2, 5)) == "Conv1d 1 → 2, 5"
    assert kind(nn.ReLU()) == "ReLU"


def test_parallel_and_packed_neurons_are_reported_like_others(batch):
    torch.manual_seed(0)
    net = Sequential(nn.Conv2d(2, 3, 3), PSN(8), nn.Flatten(), nn.Linear(48, 3), LIF(tau_m=2.0), spikes="bits")
    with torch.no_grad():
        net[1].weight.copy_(torch.eye(8))
        net[1].v_th.fill_(0.2)
    found = collect(net, *batch, about=ABOUT)
    h = net[0](batch[0].flatten(0, 1))
    fired = {layer.name: layer.activity.rate for layer in found.layers if layer.activity}
    assert fired["1"] == pytest.approx(float((h >= 0.2).double().mean()))
    assert 0 < fired["1"] < 1
    assert "4" in fired
    assert {trace.layer for trace in found.traces} == {"1 PSN", "4 LIF"}
    assert {raster.layer for raster in found.samples[0].rasters} == {"1 PSN", "4 LIF"}
