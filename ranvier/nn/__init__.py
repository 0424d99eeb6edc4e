"""Torch modules for spiking networks: time first, no hidden state."""

from ranvier.kernels.packed import PackedSpikes
from ranvier.nn import attention, decode, encode
from ranvier.nn.aligned import AlignedConv2d, AlignedLinear
from ranvier.nn.arrivals import Synapses, arrivals
from ranvier.nn.attention import SSA, AttentionProduct
from ranvier.nn.bntt import BNTT
from ranvier.nn.branches import Branches
from ranvier.nn.compact import compact_spikes
from ranvier.nn.competition import Competition, CompetitionState, random_delays
from ranvier.nn.conv_norm import conv_norm
from ranvier.nn.decolle import decolle
from ranvier.nn.delay import Delay
from ranvier.nn.delay_conv import DelayConv2d
from ranvier.nn.delayed_linear import DelayedLinear
from ranvier.nn.dropout import Dropout
from ranvier.nn.elm import ELM, Leaks
from ranvier.nn.event_linear import EventLinear
from ranvier.nn.feedback_linear import FeedbackLinear
from ranvier.nn.folding import Folded
from ranvier.nn.legendre import legendre_delay, legendre_read
from ranvier.nn.levy_baxter import LevyBaxter
from ranvier.nn.lmu import L2MU, LMU
from ranvier.nn.masked import run_masked
from ranvier.nn.masked_psn import MaskedPSN
from ranvier.nn.merge import merge
from ranvier.nn.observe import Seen, observe
from ranvier.nn.preact_resnet import preact_resnet
from ranvier.nn.psn import PSN
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.repconv import PaddedBatchNorm2d, RepConv
from ranvier.nn.residual import Residual
from ranvier.nn.scale import Scale
from ranvier.nn.sequential import Sequential
from ranvier.nn.simplify import simplify
from ranvier.nn.sliding_psn import SlidingPSN
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import Stateful, TimeAware, run
from ranvier.nn.stochastic import Stochastic
from ranvier.nn.stream import Stream
from ranvier.nn.subspace import Subspace, guard, guarded
from ranvier.nn.taught import Taught
from ranvier.nn.tdbn import TdBN
from ranvier.nn.tebn import TEBN
from ranvier.nn.vgg import vgg
from ranvier.nn.ws_conv import WSConv2d

__all__ = [
    "BNTT",
    "ELM",
    "L2MU",
    "LMU",
    "PSN",
    "SSA",
    "TEBN",
    "AlignedConv2d",
    "AlignedLinear",
    "AttentionProduct",
    "Branches",
    "Competition",
    "CompetitionState",
    "Delay",
    "DelayConv2d",
    "DelayedLinear",
    "Dropout",
    "EventLinear",
    "FeedbackLinear",
    "Folded",
    "Leaks",
    "LevyBaxter",
    "MaskedPSN",
    "PackedSpikes",
    "PaddedBatchNorm2d",
    "Recurrent",
    "RepConv",
    "Residual",
    "Scale",
    "Seen",
    "Sequential",
    "SlidingPSN",
    "Spiking",
    "Stateful",
    "Stochastic",
    "Stream",
    "Subspace",
    "Synapses",
    "Taught",
    "TdBN",
    "TimeAware",
    "WSConv2d",
    "arrivals",
    "attention",
    "compact_spikes",
    "conv_norm",
    "decode",
    "decolle",
    "encode",
    "guard",
    "guarded",
    "legendre_delay",
    "legendre_read",
    "merge",
    "observe",
    "preact_resnet",
    "random_delays",
    "run",
    "run_masked",
    "simplify",
    "vgg",
]
