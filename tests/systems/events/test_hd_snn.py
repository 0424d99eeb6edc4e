"""Letters: T time, B batch, N inputs, M motifs, D delays, H W space, K classes of motion, R trials."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import conv1d

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.nn import Stream
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.config import from_plain, override, to_plain
from ranvier.systems.events.hd_snn import motifs, motion, regression, system
from ranvier.systems.events.hd_snn.motifs import Motifs
from ranvier.systems.events.hd_snn.motion import Motion
from ranvier.systems.events.hd_snn.regression import Lesson
from ranvier.train import Train

SMALL = Motifs(inputs=12, motifs=3, delays=9, steps=200, trials=2, rate_motifs=0.01)
SLIDE = Motion(directions=4, speeds=1, steps=8, side=8, tiles=2, views=1, path=12, block=5, paths=2)
BRIEF = Lesson(updates=3, trials=1)
TINY = system.Config(
    motifs=SMALL, lesson=BRIEF, motion=SLIDE, delays=3, size=3, batch_size=8, curve=(50, 10), train=Train(epochs=1)
)


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def test_detection_by_events_is_the_correlation_of_the_raster_with_the_kernel():
    drawn = motifs.draw(SMALL, 0)
    padded = torch.nn.functional.pad(drawn.spikes_TRN.permute(1, 2, 0).double(), (0, 8))
    expected = conv1d(padded, drawn.kernel_MND.double()).permute(2, 0, 1)
    found = motifs.correlate(drawn.spikes_TRN.double(), drawn.kernel_MND.double())
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    assert found.abs().sum() > 0


def test_evidence_is_the_log_of_the_ratio_of_likelihoods():
    drawn = motifs.draw(SMALL, 0)
    evidence = motifs.detect(drawn.spikes_TRN.double(), drawn.kernel_MND.double(), SMALL.background)
    a, t, r = math.log(0.001 / 0.999), 60, 1
    heard = drawn.spikes_TRN[t : t + 9, r].double().numpy().T
    for m in range(3):
        with_it = 1 / (1 + np.exp(-(a + drawn.kernel_MND[m].double().numpy())))
        ratio = np.where(heard > 0, with_it / 0.001, (1 - with_it) / 0.999)
        assert float(evidence[t, r, m]) == pytest.approx(np.log(ratio).sum(), rel=1e-6)


def test_spikes_follow_the_motifs_that_make_them_likely():
    config = replace(SMALL, rate_motifs=0.02, contrast=8.0, trials=20)
    drawn = motifs.draw(config, 0)
    begun = drawn.motifs_TRM.nonzero()
    assert len(begun) > 50
    m, n, d = (int(i) for i in (drawn.kernel_MND == drawn.kernel_MND.max()).nonzero()[0])
    after = [drawn.spikes_TRN[t + d, r, n].item() for t, r, motif in begun.tolist() if motif == m]
    assert np.mean(after) > 0.9
    assert drawn.spikes_TRN.mean() < 0.1
    assert drawn.motifs_TRM[:4].sum() == 0
    assert drawn.motifs_TRM[-9:].sum() == 0


def test_kernels_are_sparse_and_a_spike_is_followed_by_refractoriness():
    config = replace(SMALL, inputs=400, delays=31, steps=100)
    kernel = motifs.draw_kernel(config, torch.Generator().manual_seed(0))
    assert (kernel > 0).float().mean().item() == pytest.approx(0.05, abs=0.005)
    m, n, d = (int(i) for i in (kernel[:, :, :20] == kernel[:, :, :20].max()).nonzero()[0])
    assert kernel[m, n, d + 1] < 0
    assert (kernel < 0).float().mean() < 0.1


def test_motifs_are_found_at_their_step_with_many_delays_and_not_with_few():
    rates = {}
    for delays in (31, 3):
        config = replace(Motifs(), delays=delays, motifs=16, trials=2)
        drawn = motifs.draw(config, 5)
        evidence = motifs.detect(drawn.spikes_TRN, drawn.kernel_MND, config.background)
        rates[delays] = motifs.true_positives(evidence, drawn.motifs_TRM)
    assert rates[31] > 0.85
    assert rates[3] < 0.3


def test_equal_evidence_finds_no_motif():
    begun = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]).view(5, 1, 1)
    for evidence, share in (
        ([2, 1, 0, 0, 0], 1.0),
        ([3, 1, 1, 0, 0], 0.5),
        ([0, 0, 0, 0, 0], 0.0),
        ([5, 5, 1, 1, 1], 1.0),
    ):
        assert motifs.true_positives(torch.tensor(evidence).float().view(5, 1, 1), begun) == share
    assert math.isnan(motifs.true_positives(torch.zeros(5, 1, 1), torch.zeros(5, 1, 1)))


def test_one_update_is_that_of_the_logistic_regression_written_out_densely():
    """Adam's first update moves each number by lr against the sign of its gradient, here from numpy in float64."""
    kernel = motifs.draw(SMALL, 0).kernel_MND
    lesson = Lesson(updates=1, trials=3, lr=0.25)
    learned, background = regression.learn(SMALL, kernel, lesson, 4)
    own = generator(4, "lesson")
    motifs_TRM, spikes_TRN = (x.double().numpy() for x in motifs.raster(replace(SMALL, trials=3), kernel, own))
    error_TRN = 1 / (1 + np.exp(4.0)) - spikes_TRN  # of sigmoid(-4), as K = 0
    gradient = np.zeros(kernel.shape)
    for t, r, m in zip(*motifs_TRM.nonzero(), strict=True):
        gradient[m] += error_TRN[t : t + 9, r].T
    gradient /= spikes_TRN.size
    large = np.abs(gradient) > 1e-6
    assert large.mean() > 0.1
    np.testing.assert_allclose(learned.numpy()[large], -0.25 * np.sign(gradient[large]), rtol=0.01)
    assert (learned.numpy()[gradient == 0] == 0).all()
    assert background == pytest.approx(-4.0 - 0.25 * np.sign(error_TRN.mean()), abs=1e-3)


def test_kernels_are_learned_from_rasters_well_enough_to_find_motifs():
    config = replace(SMALL, inputs=40, delays=15, contrast=8.0, rate_motifs=0.005, trials=8)
    drawn = motifs.draw(config, 0)
    learned, background = regression.learn(config, drawn.kernel_MND, Lesson(updates=150, lr=0.05), 0)
    assert regression.matched(learned, drawn.kernel_MND) == 1.0
    evidence = motifs.detect(drawn.spikes_TRN, learned, background)
    assert motifs.true_positives(evidence, drawn.motifs_TRM) > 0.8
    assert background == pytest.approx(config.background, abs=1.5)


def test_a_learned_kernel_matches_if_it_is_nearest_to_its_own_motif():
    kernel = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    assert regression.matched(2 * kernel + 1, kernel) == 1.0
    assert regression.matched(kernel[[1, 0, 2, 3]], kernel) == 0.5
    assert regression.matched(torch.zeros_like(kernel), kernel) <= 0.25


def test_an_image_moves_by_the_velocity_of_its_class():
    """A bright bar that moves right darkens no pixel ahead of it: ON events run along its front, OFF along its back."""
    assert SLIDE.velocity(0) == pytest.approx((0, 1))
    assert SLIDE.velocity(1) == pytest.approx((1, 0))
    two = replace(SLIDE, speeds=2, spacing=4.0)
    assert (two.velocity(0)[1], two.velocity(1)[1]) == (0.5, 2.0)
    image = torch.full((20, 20), 0.1)
    image[:, 0:2] = 0.9
    events = motion.film(image, [0] * 6, 8, SLIDE)
    assert events.shape == (6, 2, 8, 8)
    on, off = events[:, 1].amax(1), events[:, 0].amax(1)  # (T, W)
    # The camera leaves out the first column: the bar covers columns -1 and 0 before it moves, k and k + 1 after k + 1.
    for k in range(5):
        assert on[k].nonzero().flatten().tolist() == [k + 1]
        assert off[k].nonzero().flatten().tolist() == ([k - 1] if k else [])


def test_whitening_flattens_the_spectrum_whatever_the_contrast():
    own = torch.Generator().manual_seed(0)
    log = torch.log(motion.texture(128, own))  # power falls as 1 / f^2
    bright, pale = (motion.whitened(torch.exp(4.5 + gain * log) - 1.0) for gain in (0.5, 0.05))
    torch.testing.assert_close(bright, pale, rtol=2e-3, atol=0)
    shown = torch.log(bright / 0.3)
    assert shown.std().item() == pytest.approx(0.5, abs=0.01)
    power = torch.fft.fft2(shown).abs().square()
    across = torch.fft.fftfreq(128)
    frequency = (across[:, None].square() + across[None, :].square()).sqrt()
    low, high = ((frequency > a) & (frequency < b) for a, b in ((0.02, 0.08), (0.12, 0.2)))
    assert power[low].mean().item() == pytest.approx(power[high].mean().item(), rel=0.4)
    before = torch.fft.fft2(log).abs().square()
    assert before[low].mean() > 5 * before[high].mean()


def test_pruning_keeps_the_largest_weights_and_shortening_the_shortest_delays():
    net = system.build(TINY)
    layer = net["evidence"]
    weight = layer.weight.detach()
    kept = motion.pruned(layer, 0.25)
    assert (kept != 0).sum().item() == round(0.25 * weight.numel())
    assert kept[kept != 0].abs().min() > weight[kept == 0].abs().max()
    short = motion.shortened(layer, 0.4)
    assert (short[:, :, 0] == weight[:, :, 0]).all()
    assert (short[:, :, 1:] == 0).all()
    x = (torch.rand(4, 1, 2, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    assert torch.equal(motion.with_weight(net, weight)(x), net(x))
    assert not torch.equal(motion.with_weight(net, short)(x), net(x))


def test_the_kernel_of_the_paper_has_its_number_of_weights():
    assert system.build(system.PAPER)["evidence"].weight.numel() == 436_968


def test_the_loss_asks_for_the_class_everywhere():
    o = torch.randn(3, 2, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = 1 / (1 + np.exp(-o.numpy()))
    expected = 0.0
    for b, label in enumerate((4, 1)):
        for k in range(6):
            chance = p[:, b, :, :, k]
            expected -= np.log(chance if k == label else 1 - chance).sum()
    loss = motion.Everywhere()
    assert float(loss(o, torch.tensor([4, 1]))) == pytest.approx(expected / o.numel())
    assert loss.decide(o).tolist() == o.mean((0, 2, 3)).argmax(-1).tolist()


def test_a_run_leaves_results_and_a_layer_that_streams(tmp_path):
    folder = Run.create(tmp_path / "run", name="hd-snn", config={}).folder
    assert system.train(TINY, folder, quiet) == ""
    assert Results.read(folder / "results.json").title == "HD-SNN on motion"
    net = system.build(TINY).eval()
    x = motion.movies(SLIDE, 0, "test").samples[0].unsqueeze(1)
    assert x.sum() > 0
    with torch.no_grad():
        stream = Stream(net, batch=1)
        torch.testing.assert_close(torch.stack([stream(frame) for frame in x]), net(x))
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(x), net(x))


def test_measuring_twice_gives_the_same_figures_and_leaves_other_draws_alone():
    told = []
    first = system.measure(TINY, 1, lambda done, words: told.append(done))
    assert told == sorted(told)
    before = torch.get_rng_state()
    assert system.measure(TINY, 1, lambda *_: None) == first
    assert torch.equal(torch.get_rng_state(), before)
    names = (
        "accuracy pruned shortened pruned_50 pruned_10 shortened_10 movies motifs motifs_plain motifs_learned matched"
    )
    assert set(names.split()) < first.keys()
    assert 0 < first["rate"] < 1
    assert first["energy_nj"] > 0


def test_movies_and_paths_are_labelled_and_of_other_pictures_than_each_other():
    learn, judge = motion.movies(SLIDE, 0, "train"), motion.movies(SLIDE, 0, "test")
    assert len(learn) == 4 * 4
    assert sorted(learn.labels) == [k for k in range(4) for _ in range(4)]
    assert not torch.equal(learn.samples[0], judge.samples[0])
    (events, labels), *_ = motion.gaze(SLIDE, 0)
    assert (events.shape, labels.shape) == ((12, 2, 16, 16), (12,))
    assert labels.unique().numel() > 1


def test_options_reach_the_config_and_bad_ones_are_refused():
    config = override(system.Config(), ["train.epochs=3", "motion.images=natural", "motifs.delays=3"])
    assert (config.train.epochs, config.motion.images, config.motifs.delays) == (3, "natural", 3)
    assert from_plain(system.Config(), to_plain(system.PAPER)) == system.PAPER
    with pytest.raises(ConfigError, match="hd-snn: size: expected at most the side of a movie, 8 pixels, got 9"):
        replace(TINY, size=9)
    with pytest.raises(ConfigError, match="hd-snn: keep: expected a share"):
        replace(TINY, keep=1.0)
    with pytest.raises(ConfigError, match="hd-snn: curve: expected shares in percent, 1 to 99"):
        replace(TINY, curve=(50, 0))
    with pytest.raises(ConfigError, match="Lesson.updates: expected at least 1, got 0"):
        Lesson(updates=0)
    with pytest.raises(ConfigError, match="Lesson.lr: expected a rate > 0, got 0"):
        Lesson(lr=0.0)
    with pytest.raises(ConfigError, match="hd-snn: delays: expected at least 1"):
        replace(TINY, delays=0)
    with pytest.raises(ConfigError, match="Motifs.steps: expected at least two lengths"):
        replace(SMALL, steps=10)
    with pytest.raises(ConfigError, match=r"Motifs.share: expected a share in \(0, 1\)"):
        replace(SMALL, share=0.0)
    with pytest.raises(ConfigError, match="Motion.views: expected at least 1"):
        replace(SLIDE, views=0)
    with pytest.raises(ConfigError, match="Motion.spacing: expected a factor > 1"):
        replace(SLIDE, spacing=1.0)
