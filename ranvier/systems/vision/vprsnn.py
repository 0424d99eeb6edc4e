"""VPRSNN: places recognised by an ensemble of compact spiking networks, each an expert for a stretch of the route.

Source: Hussaini, Milford and Fischer 2023, ICRA, arXiv:2209.08723; the network of one expert is that of Hussaini et al.
2022, RA-L, arXiv:2109.06452, after Diehl and Cook 2015. Experts learn their own places by triplet STDP with normalised
weights. As none ever saw the places of the others, some neurons fire at almost anything; these hyperactive ones are
found on the reference views of the whole route, and are silenced.

The claim: that regularisation gives back at least half of what the ensemble loses against experts that are asked about
their own places only, and that as many neurons silenced at random do not. The control silences nothing. ``Beside`` adds
recorded places, and routes of growing length on which one network of as many neurons learns everything. Beside the
paper: potentials and traces start from rest at every view in place of 150 ms without input; the step is 1 ms; the claim
has fewer and smaller views, fewer epochs, and makes up for these by larger steps of weights and thresholds.

Letters: T time, B batch, N pixels, G experts, M neurons of each, P places of the route, V visits, L places an expert.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.patches import patch_normalise, shrink
from ranvier.data.sets import place_recognition, route
from ranvier.data.sets.place_recognition import PARTS, Part
from ranvier.data.sets.route import Route
from ranvier.measure import (
    HOROWITZ_45NM,
    VLAD,
    About,
    Answers,
    area_under,
    collect,
    precision_recall,
    recall_at,
    recall_at_full_precision,
    sad_scores,
    within,
)
from ranvier.nn import Competition, Sequential, random_delays
from ranvier.nn.competition import EXCITATORY
from ranvier.rules import Arrivals, TripletSTDP, normalise
from ranvier.runs import Run
from ranvier.systems import supervised
from ranvier.train.interrupts import Interrupts

BATCH = 60  # views shown at once when nothing is learned
SHUFFLES = 20  # of which neurons are silenced, for comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How a view is shown. Args: steps: of one view. dt: ms. divisor: a pixel of 255 fires at 255 / divisor Hz."""

    steps: int = 350
    dt: float = 1.0
    divisor: float = 4.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.dt > 0 or not 255 / self.divisor * self.dt / 1000 <= 1 or self.divisor <= 0:
            expected = "steps >= 1, dt > 0 ms, and a probability of a spike in a step of at most 1"
            raise ConfigError("vprsnn: rates", expected=expected, got=str(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What else is measured, with experts of the same size.

    Args: pairs: parts of ``data.sets.place_recognition``. experts: of ensembles on routes of as many times ``places``
        places. single: those of these at which one network of all their neurons learns the whole route, too.
    """

    pairs: tuple[Part, ...] = PARTS
    experts: tuple[int, ...] = (4, 8, 24)
    single: tuple[int, ...] = (4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The route, the experts and the recipe.

    Args:
        views: "route", synthetic, two reference visits; or a part of ``data.sets.place_recognition``, with one.
        route: of "route"; its number of places is experts * places. side: to which views are shrunk, pixels.
        window: of the patch normalisation, pixels. tolerance: places, or frames of a recording, by which an answer may
            be off.
        experts: G. places: L, of each expert, consecutive. neurons: M, excitatory, and as many inhibitory ones.
        longest: largest delay, ms. total: sum of the weights into each neuron after normalisation.
        inhibit: weight of inhibition. tau_e, tau_i: decay of conductances, ms. theta_plus: rise of a threshold at a
            spike, mV. t_mute: ms; 45 gives the code's timer, by which spikes of a neuron are 50 ms apart.
        nu_pre, nu_post: of ``TripletSTDP``. epochs: passes over the reference views.
        regularise: whether hyperactive neurons are silenced. calibration: places, the first ones, whose queries choose
            how hyperactive is too much; they are no test places.
        beside: what ``measure`` measures besides; None: nothing.
    """

    seed: int = 0
    views: Literal["route"] | Part = "route"
    route: Route = field(default_factory=Route)
    side: int = 28
    window: int = 7
    tolerance: int = 0
    experts: int = 6
    places: int = 10
    neurons: int = 100
    rates: Rates = field(default_factory=Rates)
    longest: float = 10.0
    total: float = 78.0
    inhibit: float = 17.0
    tau_e: float = 1.0
    tau_i: float = 0.5
    theta_plus: float = 0.05
    t_mute: float = 45.0
    nu_pre: float = 1e-4
    nu_post: float = 1e-2
    epochs: int = 20
    regularise: bool = True
    calibration: int = 10
    beside: Beside | None = None

    def __post_init__(self) -> None:
        require_counts("vprsnn: ", self, "side", "experts", "places", "neurons", "epochs")
        if not 0 <= self.calibration < self.num_places or (self.regularise and self.calibration < 1):
            expected = "at least 1 place to calibrate on, and fewer than there are"
            raise ConfigError("vprsnn: calibration", expected=expected, got=str(self.calibration))
        if self.total <= 0 or self.longest < 0 or self.tolerance < 0:
            got = f"{self.total}, {self.longest}, {self.tolerance}"
            raise ConfigError("vprsnn", expected="total > 0, longest >= 0 and tolerance >= 0", got=got)

    @property
    def num_places(self) -> int:
        """Places of the route, P."""
        return self.experts * self.places


class Views(NamedTuple):
    """What was seen, patch-normalised: 0 to 255; and where: the number of the place, or of the recording's frame."""

    reference_VPN: Tensor
    query_PN: Tensor
    position_P: Tensor


class Readout(NamedTuple):
    """Which neuron stands for which place, and which are too active to stand for any."""

    place_GM: Tensor  # int64; -1 for a neuron that never fired at its own places
    activity_GM: Tensor  # number of reference views of the whole route at which it fired

    def votes(self, least: float) -> Tensor:
        """Weigh neurons (P, G * M): 1 / number of the place's neurons, 0 for those active at ``least`` or more."""
        experts, _ = self.place_GM.shape
        number = int(self.place_GM.max()) + 1 if experts else 0
        mine_PJ = (self.place_GM.flatten() == torch.arange(number)[:, None]).float()
        return mine_PJ / mine_PJ.sum(1, keepdim=True).clamp(min=1) * (self.activity_GM.flatten() < least)


def build(config: Config) -> nn.Module:
    """Build the untrained network: input spikes (T, B, N) in, votes for each place (T, B, P) out."""
    draw = generator(config.seed, "weights")
    shape = (config.experts, config.neurons, config.side**2)
    longest = round(config.longest / config.rates.dt)
    groups = Competition(
        0.3 * (torch.rand(shape, generator=draw) + 0.01),
        random_delays(shape, longest=longest, generator=draw),
        dt=config.rates.dt,
        inhibit=config.inhibit,
        excitatory=EXCITATORY.replace(
            tau_e=config.tau_e, tau_i=config.tau_i, theta_plus=config.theta_plus, t_mute=config.t_mute
        ),
    )
    readout = nn.Linear(config.experts * config.neurons, config.num_places, bias=False)
    nn.init.zeros_(readout.weight)
    readout.weight.requires_grad_(False)
    return Sequential({"groups": groups, "flatten": nn.Flatten(), "readout": readout})


def look(config: Config) -> Views:
    """See the route on its reference visits and on the query's.

    Raises: DataError if the views are not at hand; ConfigError if there are fewer places than the experts have.
    """
    position_P = torch.arange(config.num_places)
    if config.views == "route":
        way = replace(config.route, places=config.num_places)
        seen = [route.visit(way, name, seed=config.seed) for name in ("spring", "fall", "summer")]
    else:
        found = place_recognition.load(config.views)
        if len(found.query) < config.num_places:
            got = f"{len(found.query)} of them for {config.num_places}"
            raise ConfigError("vprsnn: places", expected="as many as the experts have, or more", got=got)
        seen = [torch.from_numpy(x[: config.num_places, 0].copy()) for x in (found.reference, found.query)]
        position_P = torch.from_numpy(found.frame[: config.num_places].copy())
    views = torch.stack([patch_normalise(shrink(x, config.side), window=config.window) for x in seen])
    views_VPN = views.flatten(2).float()
    return Views(views_VPN[:-1], views_VPN[-1], position_P)


def _groups(net: nn.Module) -> Competition:
    groups = net.get_submodule("groups")
    assert isinstance(groups, Competition)
    return groups


def epoch(net: nn.Module, config: Config, views: Views, number: int, routes: Arrivals) -> float:
    """Show every expert its own reference views once, in random order, and let it learn. Returns: winners' share."""
    groups = _groups(net)
    rule = TripletSTDP(nu_pre=config.nu_pre, nu_post=config.nu_post)
    draw = generator(config.seed, "epoch", number)
    views_GKN = torch.unflatten(views.reference_VPN, 1, (config.experts, config.places)).transpose(0, 1).flatten(1, 2)
    shares = []
    for which in torch.randperm(views_GKN.shape[1], generator=draw).tolist():
        normalise(groups.weight, total=config.total)
        counts_GM = rule.present(groups, routes, poisson(views_GKN[:, which], config.rates, draw)).sum(0)
        shares.append(counts_GM.amax(1) / counts_GM.sum(1).clamp(min=1))
    normalise(groups.weight, total=config.total)
    return float(torch.stack(shares).mean())


def poisson(views_BN: Tensor, rates: Rates, draw: torch.Generator) -> Tensor:
    """Turn pixels into input spikes (T, B, N)."""
    share_BN = views_BN / rates.divisor * (rates.dt / 1000)
    return (torch.rand(rates.steps, *views_BN.shape, generator=draw) < share_BN).float()


@torch.no_grad()
def respond(net: nn.Module, config: Config, views_BN: Tensor, name: str) -> Tensor:
    """Show views to all experts, which no longer learn. Returns: spikes (B, G, M)."""
    groups, draw = _groups(net), generator(config.seed, "shown", name)
    return torch.cat([groups(poisson(part, config.rates, draw)).sum(0) for part in torch.split(views_BN, BATCH)])


def assign(net: nn.Module, config: Config, views: Views) -> Readout:
    """Give each neuron the place of its expert at which it fires most, and count the reference views it fires at."""
    shown = [respond(net, config, seen, f"reference {k}") for k, seen in enumerate(views.reference_VPN)]
    responses_VPGM = torch.stack(shown)
    per_place = torch.unflatten(responses_VPGM.mean(0), 0, (config.experts, config.places))
    own_GLM = torch.stack([per_place[g, :, g] for g in range(config.experts)])
    place_GM = own_GLM.argmax(1) + config.places * torch.arange(config.experts)[:, None]
    place_GM = place_GM.masked_fill(own_GLM.sum(1) == 0, -1)
    return Readout(place_GM, (responses_VPGM > 0).sum((0, 1)))


def scores(readout: Readout, responses_BGM: Tensor, least: float, num_places: int) -> Tensor:
    """Score each place (B, P): mean spikes of its neurons; -inf everywhere for a view at which nothing fired."""
    votes_PJ = readout.votes(least)
    votes_PJ = torch.cat([votes_PJ, votes_PJ.new_zeros(num_places - len(votes_PJ), votes_PJ.shape[1])])
    scored_BP = responses_BGM.flatten(1) @ votes_PJ.T
    return scored_BP.masked_fill(scored_BP.sum(1, keepdim=True) == 0, -torch.inf)


def calibrate(readout: Readout, responses_BGM: Tensor, correct_BP: Tensor) -> float:
    """Choose from how many views on a neuron is hyperactive: the most answers right, the middle one of equals."""
    choices = [*sorted(set(readout.activity_GM.flatten().tolist()))[1:], float("inf")]
    number = correct_BP.shape[1]
    right = [recall_at(scores(readout, responses_BGM, least, number), correct_BP) for least in choices]
    best = [least for least, share in zip(choices, right, strict=True) if share == max(right)]
    return float(best[len(best) // 2])


def deploy(net: nn.Module, config: Config, views: Views) -> tuple[Readout, float, Tensor]:
    """Assign, calibrate and write the votes into the read-out.

    Returns: the assignment; from how many views on neurons are silenced; responses to all queries (P, G, M).
    """
    readout = assign(net, config, views)
    responses = respond(net, config, views.query_PN, "query")
    number, correct = config.calibration, within(views.position_P, views.position_P, tolerance=config.tolerance)
    least = calibrate(readout, responses[:number], correct[:number]) if config.regularise else float("inf")
    weight = net.get_submodule("readout").weight
    assert isinstance(weight, Tensor)
    with torch.no_grad():
        votes_PJ = readout.votes(least)
        weight.zero_()[: len(votes_PJ)] = votes_PJ
    return readout, least, responses


def judge(config: Config, views: Views, readout: Readout, least: float, responses_PGM: Tensor) -> dict[str, float]:
    """Judge the test queries: those of all places but the calibration's."""
    test = slice(config.calibration, None)
    correct = within(views.position_P[test], views.position_P, tolerance=config.tolerance)
    scored = scores(readout, responses_PGM, least, config.num_places)[test]
    naive = scores(readout, responses_PGM, float("inf"), config.num_places)[test]
    expert = torch.arange(config.num_places) // config.places
    own = naive.masked_fill(expert[test, None] != expert, -torch.inf)
    curve = precision_recall(scored, correct)
    found = {
        "recall_1": recall_at(scored, correct),
        "recall_5": recall_at(scored, correct, top=5),
        "recall_full_precision": recall_at_full_precision(curve),
        "auc": area_under(curve),
        "naive": recall_at(naive, correct),
        "own": recall_at(own, correct),
        "shuffled": sum(recall_at(each[test], correct) for each in _shuffled(config, readout, least, responses_PGM))
        / SHUFFLES,
    }
    lost = found["own"] - found["naive"]
    found["recovered"] = (found["recall_1"] - found["naive"]) / lost if lost > 0 else 0.0
    pixels = (config.side, config.side)
    query = torch.unflatten(views.query_PN[test], 1, pixels)
    reference = torch.unflatten(views.reference_VPN, 2, pixels)
    vlad = VLAD.of(reference.flatten(0, 1), generator=generator(config.seed, "vlad"))
    for name, compare in (("sad", sad_scores), ("vlad", vlad.scores)):
        best = torch.stack([compare(query, visit) for visit in reference]).amax(0)
        found[name] = recall_at(best, correct)
        found[f"{name}_full_precision"] = recall_at_full_precision(precision_recall(best, correct))
    return found


def _shuffled(config: Config, readout: Readout, least: float, responses_PGM: Tensor) -> Iterator[Tensor]:
    """Score all places with as many neurons silenced, but drawn at random."""
    draw, activity_J = generator(config.seed, "shuffled"), readout.activity_GM.flatten()
    for _ in range(SHUFFLES):
        order_J = torch.randperm(len(activity_J), generator=draw)
        other = readout._replace(activity_GM=activity_J[order_J].view_as(readout.activity_GM))
        yield scores(other, responses_PGM, least, config.num_places)


def activity(config: Config, views: Views, responses_PGM: Tensor) -> dict[str, float]:
    """Measure "rate", spikes an excitatory neuron and step, and "energy_nj", of the additions at synapses for a query.

    An input spike reaches all experts' neurons, a spike its partner, and the partner's the other neurons of the expert.
    """
    inputs = float(views.query_PN.mean(0).sum()) / config.rates.divisor * config.rates.steps * config.rates.dt / 1000
    spikes = float(responses_PGM.sum(1).sum(1).mean())
    additions = inputs * config.experts * config.neurons + spikes * config.neurons
    rate = float(responses_PGM.mean()) / config.rates.steps
    return {"rate": rate, "energy_nj": additions * HOROWITZ_45NM.ac_pj / 1000}


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train the experts from a seed and judge the ensemble on queries of places that calibration did not see.

    Returns: "recall_1", "recall_5", share of queries whose place is the best, or among the best five; "auc";
        "recall_full_precision"; "naive", recall at 1 without regularisation; "own", the same of experts that are asked
        about their own places only; "recovered", the share of own - naive that regularisation gives back; "shuffled",
        recall at 1 if as many neurons are silenced, but drawn at random (mean of 20 draws); "sad",
        "vlad", recall at 1 of the baselines, and with "_full_precision" at full precision; "winner", share of an
        expert's spikes that its most active neuron sends, in the last epoch; "silenced", share of neurons; "rate";
        "energy_nj". Of ``beside``, some of them again: "sped_recall_1" of recorded places, "ensemble_120_recall_1" and
        "single_120_recall_1" of the experts and the one network on 120 places.
    """
    config = replace(config, seed=seed)
    others = besides(config)
    parts = 1 + len(others)
    found = dict(_measure(config, supervised.part(progress, 0, parts)))
    for number, (name, (other, figures)) in enumerate(others.items(), start=1):
        seen = _measure(other, supervised.part(progress, number, parts, name))
        found |= {f"{name}_{figure}": seen[figure] for figure in figures}
    return found


def besides(config: Config) -> dict[str, tuple[Config, tuple[str, ...]]]:
    """List what is measured besides: name, what is measured, and which of its figures are given."""
    if config.beside is None:
        return {}
    asked: dict[str, tuple[Config, tuple[str, ...]]]
    asked = {part: (pairs(config, part), OF_PAIRS) for part in config.beside.pairs}
    alone = replace(config, beside=None)
    for experts in config.beside.experts:
        asked[f"ensemble_{experts * config.places}"] = (replace(alone, experts=experts), OF_ROUTES)
    for experts in config.beside.single:
        places, neurons = experts * config.places, experts * config.neurons
        asked[f"single_{places}"] = (replace(alone, experts=1, places=places, neurons=neurons), OF_ROUTES)
    return asked


def pairs(config: Config, part: Part) -> Config:
    """Return the same for recorded places, with as many experts as there are places for."""
    count, tolerance = RECORDED[part]
    return replace(config, views=part, experts=count // config.places, tolerance=tolerance, beside=None)


def _measure(config: Config, progress: Progress) -> Measured:
    views, net = look(config), build(config)
    routes = Arrivals.of(_groups(net))
    winner = 0.0
    for number in range(config.epochs):
        progress(number / config.epochs, f"epoch {number + 1} of {config.epochs}")
        winner = epoch(net, config, views, number, routes)
    readout, least, responses = deploy(net, config, views)
    silenced = float((readout.activity_GM >= least).float().mean())
    judged = judge(config, views, readout, least, responses)
    return {**judged, "winner": winner, "silenced": silenced, **activity(config, views, responses)}


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder, a checkpoint an epoch; see ``System.train``."""
    run, views, net = Run.open(folder), look(config), build(config)
    routes, found = Arrivals.of(_groups(net)), run.resume()
    first = 0
    if found is not None:
        tree: Mapping[str, Any] = found.checkpoint.tree
        first = int(tree["epoch"])
        net.load_state_dict(tree["net"])
    with Interrupts() as interrupts:
        for number in range(first, config.epochs):
            if interrupts.received:
                return interrupts.received
            winner = epoch(net, config, views, number, routes)
            run.log(step=number + 1, epoch=number + 1, winner=winner)
            run.save(number + 1, {"epoch": number + 1, "net": dict(net.state_dict())})
            watch((number + 1) / config.epochs, f"epoch {number + 1} of {config.epochs}", winner=winner)
    readout, least, responses = deploy(net, config, views)
    run.save(config.epochs + 1, {"epoch": config.epochs, "net": dict(net.state_dict())})
    _report(net, config, views, scores(readout, responses, least, config.num_places)).write(folder)
    return ""


def _report(net: nn.Module, config: Config, views: Views, scored_PP: Tensor) -> Any:
    about = About(
        title=f"VPRSNN on {config.views}",
        summary=f"{config.experts} experts of {config.neurons} neurons for {config.places} places each.",
        seed=config.seed,
        dt_ms=config.rates.dt,
        class_names=tuple(f"place {number}" for number in range(config.num_places)),
    )
    truth = torch.arange(config.num_places)
    shown = views.query_PN[:20]
    spikes_TBN = poisson(shown, config.rates, generator(config.seed, "report"))
    answers = Answers(predicted_B=scored_PP.argmax(1), targets_B=truth)
    return collect(net, spikes_TBN, truth[: len(shown)], about=about, answers=answers)


SMALL = Config(
    side=14,
    neurons=80,
    rates=Rates(steps=150),
    total=20.0,
    tau_e=2.0,
    tau_i=2.0,
    theta_plus=1.0,
    t_mute=0.0,
    nu_post=0.3,
    epochs=5,
    calibration=20,
)
# Places and tolerance, frames; neighbouring frames of Gardens Point show the same.
RECORDED: Mapping[Part, tuple[int, int]] = {"gardens_point": (180, 2), "sped": (546, 0), "essex3in1": (189, 0)}
OF_ROUTES = ("recall_1", "recall_full_precision", "naive", "own", "shuffled")
OF_PAIRS = (*OF_ROUTES, "sad", "sad_full_precision", "vlad", "vlad_full_precision")
GARDENS_POINT, SPED, ESSEX = (pairs(SMALL, part) for part in PARTS)
NORDLAND = Config(experts=132, places=25, calibration=600)  # the paper's scale; its views are not at hand


def _recovers(m: Measured, name: str = "") -> bool:
    """Tell whether experts that are asked about all places lose something, and get back half of it.

    By those neurons that are hyperactive: of as many drawn at random it must not be had.
    """
    regularised, shuffled, naive, own = (m[name + figure] for figure in ("recall_1", "shuffled", "naive", "own"))
    half = 0.5 * (own - naive)
    return own - naive >= 0.1 and regularised - naive >= half > shuffled - naive


SYSTEM = System(
    name="vprsnn",
    title="Ensembles of compact, region-specific and regularised networks",
    family="vision",
    paper=Paper(
        title="Ensembles of Compact, Region-specific & Regularized Spiking Neural Networks for Scalable Place "
        "Recognition",
        authors="Hussaini, Milford and Fischer",
        year=2023,
        venue="ICRA",
        identifier="arXiv:2209.08723",
    ),
    config=Config(),
    build=build,
    train=train,
    claim=Claim(
        sentence="On synthetic routes, short and long, silencing hyperactive neurons gives an ensemble of experts at "
        "least half of what it loses against experts that are asked about their own places only; silencing as many at "
        "random does not.",
        measure=measure,
        passes=lambda m: _recovers(m) and _recovers(m, "ensemble_240_"),
        config=replace(SMALL, beside=Beside()),
        control=replace(SMALL, regularise=False),
        minutes=5.0,
        fast=Fast(config=SMALL, control=replace(SMALL, regularise=False), passes=_recovers),
    ),
)
