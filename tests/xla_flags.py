"""Flags of XLA for programs that run once: they compile in about half the time and run slower."""

import jax

QUICK_COMPILATION = "--xla_backend_optimization_level=0"
if jax.__version_info__ < (0, 11):  # a newer XLA ends the process that gives it this flag
    QUICK_COMPILATION += " --xla_cpu_use_fusion_emitters=false"
