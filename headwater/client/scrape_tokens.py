"""The verbs on tokens by which Prometheus reads the metrics."""

from __future__ import annotations

from headwater.client.connection import Verbs
from headwater.client.people import me
from headwater.monitoring.dashboards.tokens import DAYS, Created, ScrapeToken, ScrapeTokens


class Tokens(Verbs):
    """The verbs on tokens; ``headwater.connect().monitor.tokens``."""

    def create(self, name: str, *, days: int = DAYS) -> Created:
        """Make a token for ``GET /metrics/scrape``. It is in the answer and can't be had again.

        Parameters
        ----------
        name : str
            Small letters, digits and hyphens, such as ``prometheus``.
        days : int
            How long it is good for.

        Raises
        ------
        InvalidToken
            The name or the number of days.
        TokenExists
            A token of that name is good already.
        """
        return ScrapeTokens(self._connection.table).create(name, days=days, by=me())

    def list(self) -> tuple[ScrapeToken, ...]:
        """All tokens by name, without their secrets, those that expired or were revoked too."""
        return ScrapeTokens(self._connection.table).all()

    def revoke(self, name: str) -> ScrapeToken:
        """Make a token useless at once; a second time changes nothing.

        Raises
        ------
        TokenNotFound
        """
        return ScrapeTokens(self._connection.table).revoke(name)
