"""Meta-SpikeFormer: model, heads, tasks and claim, one part a file; ``system`` tells the story."""
