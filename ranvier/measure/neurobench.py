"""The complexity metrics of NeuroBench, under its names.

Source: Yik et al. 2025, Nature Communications 16:1545. One sample is one sequence, as in its code; divide the
operations by ``steps`` for one execution, as in its text.
"""

from torch import Tensor, nn

from ranvier.measure.activity import activation_sparsity
from ranvier.measure.operations import counting, total
from ranvier.measure.parameters import connection_sparsity, footprint
from ranvier.measure.passes import check_sequence, looking
from ranvier.nn.observe import observe


def neurobench(net: nn.Module, inputs_TB: Tensor) -> dict[str, float]:
    """Measure footprint (bytes), connection and activation sparsity, and synaptic operations per sample.

    Args: inputs_TB: (T, B, ...).
    """
    check_sequence("neurobench", inputs_TB)
    with looking(net), counting(net) as tallies, observe(net, record=()) as seen:
        net(inputs_TB)
    steps, samples = inputs_TB.shape[:2]
    counted = total(net, tallies, steps=steps, samples=samples)
    return {
        "footprint": float(footprint(net)),
        "parameter_count": float(sum(p.numel() for p in net.parameters())),
        "connection_sparsity": round(connection_sparsity(net), 4),
        "activation_sparsity": activation_sparsity({path: layer.spikes_TB for path, layer in seen.items()}),
        "effective_macs": counted.macs,
        "effective_acs": counted.acs,
        "dense": counted.dense,
        "steps": float(steps),
    }
