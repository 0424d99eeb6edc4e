import re

from ranvier.report.figures.layers import bars, sparkline
from ranvier.report.schema import Energy, Layer


def made(snn, ann, dense):
    return Energy(mac_pj=4.6, ac_pj=0.9, source="", snn_pj=snn, ann_pj=ann, dense_pj=dense)


def widths(svg):
    return [float(w) for w in re.findall(r'<rect[^>]*width="([\d.]+)"', str(svg))]


def test_each_bin_with_neurons_has_a_bar_and_more_neurons_a_higher_one():
    svg = str(sparkline((100, 0, 10, 1)))
    heights = [float(h) for h in re.findall(r'<rect[^>]*height="([\d.]+)"', svg)]
    assert len(heights) == 3
    assert heights == sorted(heights, reverse=True)
    assert "10 neurons fire in 50 to 75 % of the steps" in svg


def test_a_histogram_of_nobody_can_be_drawn():
    assert "<svg" in sparkline(())
    assert "<rect" not in sparkline((0, 0))


def test_bars_are_as_long_as_their_energies():
    snn, ann, dense = widths(bars(made(100, 200, 400), ()))
    assert abs(ann / snn - 2) < 0.01
    assert abs(dense / snn - 4) < 0.01


def test_the_bar_of_the_network_is_cut_into_its_layers():
    layers = (
        Layer(name="a", kind="x", energy_pj=75),
        Layer(name="b", kind="x", energy_pj=25),
        Layer(name="c", kind="x"),
    )
    svg = bars(made(100, 200, 400), layers)
    a, b, *_ = widths(svg)
    assert abs((a + 1) / (b + 1) - 3) < 0.05
    assert "a: 75 pJ (75.0 %)" in svg


def test_no_energy_at_all_can_be_drawn():
    assert "<svg" in bars(made(0, 0, 0), ())
