"""Log lines and metrics of AWS's own services: collected on the request path, written from a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict

from localcloud.context import CloudContext

_FLUSH_SECONDS = 0.2

_Dimensions = tuple[tuple[str, str], ...]

_logger = logging.getLogger(__name__)


class Telemetry:
    """What one service tells CloudWatch.

    Parameters
    ----------
    cloud : CloudContext
        Whose CloudWatch.
    namespace : str
        Of the metrics, such as ``"AWS/Lambda"``.
    """

    def __init__(self, cloud: CloudContext, namespace: str) -> None:
        self._cloud = cloud
        self._namespace = namespace
        self._lock = threading.Condition()
        self._lines: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._metrics: dict[tuple[str, str, _Dimensions], list[float]] = defaultdict(list)
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        cloud.before_rest.append(self.flush)
        self._thread = threading.Thread(target=self._run, name=f"telemetry-{namespace}", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and stop."""
        self._stopped.set()
        with self._lock:
            self._lock.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def line(self, group: str, stream: str, text: str) -> None:
        """One line for the log."""
        with self._lock:
            if not self._lines and not self._metrics:
                self._lock.notify_all()
            self._lines[group, stream].append(text)

    def metric(self, name: str, value: float, unit: str = "Count", **dimensions: str) -> None:
        """One value of a metric."""
        with self._lock:
            if not self._lines and not self._metrics:
                self._lock.notify_all()
            self._metrics[name, unit, tuple(dimensions.items())].append(value)

    def flush(self) -> None:
        """Write all that was collected; when this returns it can be read."""
        with self._writing:
            with self._lock:
                lines, self._lines = self._lines, defaultdict(list)
                metrics, self._metrics = self._metrics, defaultdict(list)
            try:
                for (group, stream), texts in lines.items():
                    self._cloud.write_log(group, stream, texts)
                for (name, unit, dimensions), values in metrics.items():
                    self._cloud.put_metric(self._namespace, name, values, dict(dimensions), unit=unit)
            except Exception:
                # The service works on without its log, as on AWS; the daemon's own log tells.
                _logger.exception("what %s logged couldn't be written", self._namespace)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                self._lock.wait_for(lambda: self._lines or self._metrics or self._stopped.is_set())
            # A burst becomes one call.
            self._stopped.wait(_FLUSH_SECONDS)
            self.flush()
