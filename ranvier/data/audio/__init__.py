"""Sounds: waveforms, and the banks of filters that turn them into something a network can hear."""

from ranvier.data.audio.bank import Bank, Cochlea, Mel
from ranvier.data.audio.sound import Sound

__all__ = ["Bank", "Cochlea", "Mel", "Sound"]
