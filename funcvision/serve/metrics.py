"""What Prometheus reads at `/metrics`."""

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_MODEL = ("model", "version")


class Metrics:
    """Counts of one server. Labels are names of registered models, never what a client sent."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "funcvision_requests", "Requests for a prediction", (*_MODEL, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "funcvision_request_seconds", "From a request to its answer", _MODEL, buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_rows = Histogram(
            "funcvision_batch_size", "Images in a batch, without padding", _MODEL, buckets=_ROWS,
            registry=self._registry,
        )
        self._batch_seconds = Histogram(
            "funcvision_batch_seconds", "Computation of a batch", _MODEL, buckets=_SECONDS, registry=self._registry
        )
        self._queue = Gauge(
            "funcvision_queue_length", "Requests that wait or are computed", _MODEL, registry=self._registry
        )

    def of(self, name: str, version: str) -> "ModelMetrics":
        """The counts of one version of a model."""
        return ModelMetrics(self, name, version)

    def text(self) -> tuple[bytes, str]:
        """What Prometheus reads, and its media type."""
        return prometheus_client.generate_latest(self._registry), prometheus_client.CONTENT_TYPE_LATEST


class ModelMetrics:
    """The counts of one version of a model.

    Args:
        metrics: of the server.
        name: of the model.
        version: of the model.
    """

    def __init__(self, metrics: Metrics, name: str, version: str):
        self._labels = (name, version)
        self._requests = metrics._requests
        self._seconds = metrics._seconds.labels(*self._labels)
        self._batch_rows = metrics._batch_rows.labels(*self._labels)
        self._batch_seconds = metrics._batch_seconds.labels(*self._labels)
        self._queue = metrics._queue.labels(*self._labels)

    def request(self, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(*self._labels, str(status)).inc()
        self._seconds.observe(seconds)

    def batch(self, rows: int, seconds: float) -> None:
        """A batch was computed."""
        self._batch_rows.observe(rows)
        self._batch_seconds.observe(seconds)

    def queue(self, requests: int) -> None:
        """So many requests have a place in the queue."""
        self._queue.set(requests)
