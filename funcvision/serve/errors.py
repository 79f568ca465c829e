"""What a client is told when a request fails: a status and one sentence, without anything about this machine."""

__all__ = ["ClientGoneError", "ServeError"]


class ServeError(Exception):
    """A request that is not answered as asked, for a reason that the client may know.

    Args:
        status: the HTTP status.
        detail: one sentence for the client.
        retry_after: seconds after which the client may try again; None where trying again does not help.

    Attributes:
        status: as given.
        detail: as given.
        retry_after: as given.
    """

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None):
        super().__init__(detail)
        self.status, self.detail, self.retry_after = status, detail, retry_after


class ClientGoneError(ServeError):
    """The client closed the connection before it was answered. Nobody reads the answer; metrics count it as 499."""

    def __init__(self) -> None:
        super().__init__(499, "the client closed the connection")
