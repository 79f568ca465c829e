"""Distance layers: `functional`'s distances with their options."""

from .. import functional as F
from ._function import Function

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Function):
    """See `functional.cosine_similarity`. The default axis is the last; torch's is 1."""

    function = F.cosine_similarity

    def __init__(self, dim: int = -1, eps: float = 1e-8):
        self.dim, self.eps = dim, eps


class PairwiseDistance(Function):
    """See `functional.pairwise_distance`."""

    function = F.pairwise_distance

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        self.p, self.eps, self.keepdim = p, eps, keepdim
