"""Optical flow: where the pixels of one image are in another."""

from .raft import RAFT, raft_large, raft_small

__all__ = ["RAFT", "raft_large", "raft_small"]
