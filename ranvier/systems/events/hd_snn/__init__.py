"""HD-SNN: one layer whose synapses have many delays finds motifs in rasters, and motion in events."""

from ranvier.systems.events.hd_snn.system import SYSTEM, Config

__all__ = ["SYSTEM", "Config"]
