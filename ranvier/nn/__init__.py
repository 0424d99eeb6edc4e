"""Torch modules for spiking networks: time first, no hidden state."""

from ranvier.nn import decode, encode
from ranvier.nn.attention import SSA, AttentionProduct
from ranvier.nn.bntt import BNTT
from ranvier.nn.compact import compact_spikes
from ranvier.nn.conv_norm import conv_norm
from ranvier.nn.delay import Delay
from ranvier.nn.dropout import Dropout
from ranvier.nn.event_linear import EventLinear
from ranvier.nn.folding import Folded
from ranvier.nn.masked import run_masked
from ranvier.nn.masked_psn import MaskedPSN
from ranvier.nn.merge import merge
from ranvier.nn.observe import Seen, observe
from ranvier.nn.psn import PSN
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.residual import Residual
from ranvier.nn.sequential import Sequential
from ranvier.nn.sliding_psn import SlidingPSN
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import Stateful, TimeAware, run
from ranvier.nn.stream import Stream
from ranvier.nn.tdbn import TdBN
from ranvier.nn.tebn import TEBN

__all__ = [
    "BNTT",
    "PSN",
    "SSA",
    "TEBN",
    "AttentionProduct",
    "Delay",
    "Dropout",
    "EventLinear",
    "Folded",
    "MaskedPSN",
    "Recurrent",
    "Residual",
    "Seen",
    "Sequential",
    "SlidingPSN",
    "Spiking",
    "Stateful",
    "Stream",
    "TdBN",
    "TimeAware",
    "compact_spikes",
    "conv_norm",
    "decode",
    "encode",
    "merge",
    "observe",
    "run",
    "run_masked",
]
