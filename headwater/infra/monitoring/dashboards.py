"""The function that answers with metrics of the models, and the stack's dashboard in CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.monitoring.metrics
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Text
from headwater.infra.platform.keys import MODELS, SCRAPE_TOKENS, WATCHED
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, prefix
from headwater.infra.serving import Serving
from headwater.monitoring.dashboards.cloudwatch import body
from headwater.routes import METRICS, SCRAPE

TIMEOUT = timedelta(seconds=29)


class Metrics(Component):
    """``GET /metrics`` for whoever IAM lets through, and ``GET /metrics/scrape`` for a Prometheus that shows a token.

    The function reads one small item a model at each request. Idle it costs nothing but the alarms on it.
    """

    def __init__(
        self, name: str, platform: Platform, *, serving: Serving, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        handler, uses = headwater.handlers.monitoring.metrics, [platform.registry.read(MODELS, WATCHED, SCRAPE_TOKENS)]
        self.function = self._function(name, handler, "data", memory_mib=1024, timeout=TIMEOUT, uses=uses)
        serving.route(name, METRICS, self.function)
        serving.route(f"{name}-scrape", SCRAPE, self.function)
        self.register_outputs({"function": self.function.name})


class Dashboard(Component):
    """One dashboard for all declared models, among the three that an account has for nothing.

    Without a model there is none.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        alarms: Sequence[Text] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``alarms`` are the ARNs of alarms that stand on top of the dashboard."""
        super().__init__(name, platform, opts)
        models, region = sorted(platform.products.models), platform.account.region
        if models:
            title = prefix().removesuffix("-")
            content = pulumi.Output.all(*alarms).apply(
                lambda arns: json.dumps(body(models, region, title=title, alarms=arns))
            )
            aws.cloudwatch.Dashboard(
                name, dashboard_name=physical_name(name, "other"), dashboard_body=content, opts=self._child
            )
        self.register_outputs({})
