import re

from ranvier.report.figures.membrane import membrane
from ranvier.report.schema import Trace


def test_the_trace_its_threshold_and_its_spikes_are_drawn_in_place():
    made = str(membrane(Trace(layer="lif", neuron=7, v=(0.0, 1.0, 0.5), v_th=1.0, spikes=(1,))))
    ys = [float(p.split()[1]) for p in re.search(r'd="M([^"]*)" class="line', made)[1].split("L")]
    limit = float(re.search(r'y1="([\d.]+)"[^>]*class="threshold"', made)[1])
    assert abs(ys[1] - limit) < 0.11
    assert ys[0] > ys[2] > ys[1]
    assert "spike at step 1" in made
    assert "1 spike · threshold 1" in made
    assert "Membrane of neuron 7 of lif: 1 spike in 3 steps." in made


def test_a_neuron_without_a_threshold_has_no_line_for_it():
    made = str(membrane(Trace(layer="hh", neuron=0, v=(-65.0, -65.0))))
    assert 'class="threshold"' not in made
    assert "0 spikes" in made


def test_one_step_can_be_drawn():
    assert "<svg" in membrane(Trace(layer="a", neuron=0, v=(1.0,)))
