"""Scripts written for PyTorch that run under `funcvision.eager` with other import lines."""
