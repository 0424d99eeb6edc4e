"""Torch modules for spiking networks: time first, no hidden state."""

from ranvier.nn import decode, encode
from ranvier.nn.bntt import BNTT
from ranvier.nn.compact import compact_spikes
from ranvier.nn.decolle import decolle
from ranvier.nn.delay import Delay
from ranvier.nn.dropout import Dropout
from ranvier.nn.event_linear import EventLinear
from ranvier.nn.feedback_linear import FeedbackLinear
from ranvier.nn.folding import Folded
from ranvier.nn.masked_psn import MaskedPSN
from ranvier.nn.merge import merge
from ranvier.nn.observe import Seen, observe
from ranvier.nn.preact_resnet import preact_resnet
from ranvier.nn.psn import PSN
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.residual import Residual
from ranvier.nn.scale import Scale
from ranvier.nn.sequential import Sequential
from ranvier.nn.sliding_psn import SlidingPSN
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import Stateful, TimeAware, run
from ranvier.nn.stream import Stream
from ranvier.nn.tdbn import TdBN
from ranvier.nn.tebn import TEBN
from ranvier.nn.vgg import vgg
from ranvier.nn.ws_conv import WSConv2d

__all__ = [
    "BNTT",
    "PSN",
    "TEBN",
    "Delay",
    "Dropout",
    "EventLinear",
    "FeedbackLinear",
    "Folded",
    "MaskedPSN",
    "Recurrent",
    "Residual",
    "Scale",
    "Seen",
    "Sequential",
    "SlidingPSN",
    "Spiking",
    "Stateful",
    "Stream",
    "TdBN",
    "TimeAware",
    "WSConv2d",
    "compact_spikes",
    "decode",
    "decolle",
    "encode",
    "merge",
    "observe",
    "preact_resnet",
    "run",
    "vgg",
]
