"""Whether this machine has what it takes: packages, GPUs, kernels, room, accounts."""
