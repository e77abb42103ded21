"""API Gateway HTTP APIs: each answers on a port of its own, with routes, IAM, throttles and logs as on AWS."""

from localcloud.http_api.emulator import HttpApis

__all__ = ["HttpApis"]
