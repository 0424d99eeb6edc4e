import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from ranvier.core.errors import RunError
from ranvier.report.html import energy_sentence, write
from ranvier.report.schema import Confusion, Energy, Headline, Layer, Raster, Results, Sample, Trace

VOID = {"meta", "link", "input", "br", "img"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}\"'&"


class Balance(HTMLParser):
    """Notes elements and checks that each is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not (self.open and self.open[-1] in ("style", "script")):
            self.text += data


def parse(path):
    page = Balance()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


def test_a_finished_run_shows_every_section_and_lacks_nothing(run):
    path = write(run)
    assert path == run / "report.html"
    page = parse(path)
    for words in ("Surrogate gradients on N-MNIST", "Test accuracy", "94.0", "Learning", "Right and wrong answers",
                  "What the network saw", "Membranes", "Layer by layer", "Energy, estimated", "Horowitz",
                  "ranvier run stbp --seed 0 --set train.epochs=4", "AMD EPYC", "holds"):  # fmt: skip
        assert words in page.text, words
    assert "No results yet" not in page.text
    assert ("div", "class", "absent") not in page.attributes
    assert page.text.count("How to read this.") == 7


def test_figures_are_well_formed_and_have_titles(run):
    svgs = re.findall(r"<svg.*?</svg>", re.sub(r"<svg x=.*?</svg>", "", write(run).read_text()), flags=re.S)
    charts = [s for s in svgs if 'class="chart' in s]
    assert len(charts) >= 4 + 1 + 2 + 6 + 1
    for chart in charts:
        root = ElementTree.fromstring(chart)
        assert root[0].tag == "title"
        assert root[0].text


def test_the_page_asks_nothing_of_the_network(run):
    path = write(run)
    text = path.read_text()
    assert not re.search(r"https?://|@import|url\(|<link|<iframe|fetch\(|XMLHttpRequest", text)
    for tag, name, value in parse(path).attributes:
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith(("#", "data:image/png;base64,")), (tag, value)
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_the_only_script_is_ours_and_the_policy_names_its_hash(run):
    text = write(run).read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert all(not name.startswith("on") for _, name, _ in parse(run / "report.html").attributes)


def test_a_run_without_results_says_what_is_missing_and_how_to_get_it(partial_run):
    page = parse(write(partial_run))
    assert "No results yet." in page.text
    assert f"ranvier resume {partial_run}" in page.text
    for words in ("No confusion matrix.", "No samples.", "No membrane traces.", "No layers.", "No energy estimate."):
        assert words in page.text
    assert "Loss" in page.text
    assert "ranvier run stbp --seed 0" in page.text


def test_an_empty_folder_still_gives_a_page(tmp_path):
    page = parse(write(tmp_path))
    assert "No metrics yet." in page.text
    assert "No command." in page.text
    assert "environment.json" in page.text


def test_a_broken_results_file_is_named_on_the_page(run):
    (run / "results.json").write_text("{")
    page = parse(write(run))
    assert "results.json" in page.text
    assert "Not readable." in page.text


def test_hostile_values_from_files_stay_text(tmp_path, filled):
    name = HOSTILE[:90]
    hostile = Results(
        title=HOSTILE, summary=HOSTILE, command=HOSTILE, notes=(HOSTILE,), class_names=(name, name),
        headlines=(Headline(label=HOSTILE, value=1, unit=HOSTILE, note=HOSTILE),),
        confusion=Confusion(class_names=(name, name), counts=((1, 2), (0, 1))),
        samples=(Sample(steps=2, target=0, predicted=1, scores=((0.0, 1.0), (1.0, 0.0)),
                        rasters=(Raster(layer=name, num_neurons=1, neurons=(0,), row=(0,), step=(1,)),)),),
        traces=(Trace(layer=name, neuron=0, v=(0.0, 1.0), v_th=1.0, spikes=(1,)),),
        layers=(Layer(name=name, kind=name, dense=1, acs=1, energy_pj=1),),
        energy=Energy(mac_pj=1, ac_pj=1, source=HOSTILE, caveat=HOSTILE, snn_pj=1, dense_pj=1, ann_pj=1),
    )  # fmt: skip
    run = filled(tmp_path / "hostile", hostile)
    (run / "metrics.jsonl").write_text('{"step": 1, "<script>x.loss": 1}\n{"step": 2, "<script>x.loss": 0.5}\n')
    (run / "config.json").write_text('{"name": "<script>", "config": {"<img src=x>": "<script>"}}')
    (run / "environment.json").write_text('{"started": "<script>", "<b>": {"<i>": "<u>"}}')
    page = parse(write(run))
    assert page.seen.count("script") == 1
    assert "img" not in page.seen
    assert not {"b", "i", "u"} - {"b"} & set(page.seen)
    assert "49" not in page.text.replace("{{ 7*7 }}", "")
    assert HOSTILE in page.text


def test_the_report_is_the_same_for_the_same_folder(run):
    assert write(run).read_bytes() == write(run).read_bytes()


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(run, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    write(run)
    before = (run / "report.html").read_bytes()
    monkeypatch.setattr("ranvier.runs.files.write_through", full)
    with pytest.raises(RunError, match=r"report.html: expected .* No space left on device"):
        write(run)
    assert (run / "report.html").read_bytes() == before


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(RunError, match="expected a run folder"):
        write(tmp_path / "absent")


def test_a_report_may_be_moved(run, tmp_path):
    moved = tmp_path / "moved.html"
    shutil.copy(write(run), moved)
    assert parse(moved).seen


def test_the_energy_sentence_says_when_spikes_do_not_pay():
    made = {"mac_pj": 4.6, "ac_pj": 0.9, "source": "", "dense_pj": 1.0}
    assert "4 times less" in energy_sentence(Energy(**made, snn_pj=100, ann_pj=400))
    assert "2 times more than an ANN of the same shape: here the spikes do not pay." in energy_sentence(
        Energy(**made, snn_pj=100, ann_pj=50)
    )
    assert energy_sentence(Energy(**made, snn_pj=0, ann_pj=50)).endswith("arithmetic.")
