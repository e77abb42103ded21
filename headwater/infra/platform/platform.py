"""The ground of every part of the platform: where data is kept, the functions' code, who hears of failures."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pulumi

from headwater.declare import Catalog
from headwater.infra.platform.alarm_topic import AlarmTopic, DeadLetters
from headwater.infra.platform.buckets import Account, Expiry, PrivateBucket, PrivateBucketArgs
from headwater.infra.platform.code import Bundles
from headwater.infra.platform.code_state import DeployedCode
from headwater.infra.platform.config import Config
from headwater.infra.platform.keys import QUARANTINE, SCRATCH, SHARDS
from headwater.infra.platform.tables import Table, TableArgs

if TYPE_CHECKING:
    from headwater.infra.platform.regular import Regular


class Platform:
    """The buckets, tables, bundles, alarm topic and dead letters of a stack; the first thing that a program declares.

    Parameters
    ----------
    config : Config
        The stack's settings.
    products : Catalog
        What is deployed for: `check_products`.
    """

    def __init__(self, config: Config, products: Catalog) -> None:
        if config.permissions_boundary:
            pulumi.runtime.register_stack_transformation(_bound_by(config.permissions_boundary))
        self.config, self.products = config, products
        wanted = any(view.engine == "spark" for view in products.views.values())
        self.spark = wanted if config.spark is None else config.spark
        """Whether EMR Serverless computes the views that outgrow one machine."""
        self.account = Account.current()
        logs = Expiry(prefix="", days=config.log_retention_days)
        self._access_logs: PrivateBucket | None = None
        self._access_logs = self._bucket("access-logs", expiries=[logs])
        self.lake = self._bucket("lake", expiries=[QUARANTINE, SCRATCH, SHARDS], announces=True)
        self.artifacts = self._bucket("artifacts", capability="training")
        self.predictions = self._bucket("predictions", capability="serving", expiries=self._expiring_records())
        self.features = self._table("features", expires=True)
        self.registry = self._table("registry", is_sorted=True)
        self.topic = AlarmTopic("alarms", account=self.account, by_mail=bool(config.alarm_emails))
        self.code = Bundles("code", config=config, bucket=self.artifacts, spark=self.spark).code
        """By the bundle's name."""
        self.code_state = DeployedCode("deployed-code", bucket=self.artifacts).state
        self.dead_letters = DeadLetters("dead-letters", account=self.account, topic=self.topic)

    @cached_property
    def regular(self) -> Regular:
        """The machine and the ledger that call functions regularly; made when the first one wants it."""
        # It stands on functions, which stand on the platform.
        from headwater.infra.platform.regular import Regular

        return Regular("regular", self)

    def _expiring_records(self) -> list[Expiry]:
        """Records by model, since the bucket's tables of them stay."""
        if (days := self.config.prediction_record_days) is None:
            return []
        return [Expiry(prefix=f"{model}/date=", days=days) for model in sorted(self.products.models)]

    def _bucket(
        self, name: str, *, capability: str = "", expiries: list[Expiry] | None = None, announces: bool = False
    ) -> PrivateBucket:
        args = PrivateBucketArgs(
            config=self.config,
            account=self.account,
            capability=capability or name,
            # The bucket's name, once it may be written to.
            access_logs=self._access_logs.writable if self._access_logs else None,
            expiries=expiries or [],
            announces=announces,
        )
        return PrivateBucket(name, args)

    def _table(self, name: str, *, is_sorted: bool = False, expires: bool = False) -> Table:
        return Table(
            name,
            TableArgs(config=self.config, account=self.account, capability=name, sorted=is_sorted, expires=expires),
        )


def _bound_by(boundary: str) -> pulumi.ResourceTransformation:
    """Every role of the program gets the permissions boundary, also one that the project adds itself."""

    def bound(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != "aws:iam/role:Role":
            return None
        props: dict[str, Any] = {**args.props, "permissions_boundary": boundary}
        return pulumi.ResourceTransformationResult(props=props, opts=args.opts)

    return bound
