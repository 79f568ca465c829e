"""What all models share: the registry, published weights, loading, feature maps, frozen layers, counting operations."""

__all__ = []
