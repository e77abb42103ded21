"""Kinesis data streams and SQS queues, as collectors read them."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from headwater.declare.accounts import AwsOrigin

KeyArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$")]
"""A key of KMS, by its ARN: an alias may point to another key tomorrow."""
MOST_MESSAGES = 100_000
"""Messages of a batch: SQS hides at most 120,000 of a queue at once."""
_ARN = r"arn:aws[a-z-]*:{}:[a-z0-9-]+:[0-9]{{12}}:{}"
SequenceNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,128}$")]


class _Encrypted(AwsOrigin):
    """A stream or a queue, which KMS may encrypt."""

    kms_key: KeyArn | None = None
    """The key that it is encrypted with, if it is a customer's own; without `role_arn`."""
    _name: ClassVar[str]
    """The field that has its name or ARN: what the origin is, in a word."""
    _form: ClassVar[str]
    """Regular expression of its name."""
    _arn: ClassVar[str]
    """Regular expression of its ARN."""

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.kms_key is not None and self.role_arn is not None:
            raise ValueError(
                f"{type(self).__name__}: kms_key is for a stream or queue that is read without a role: give the role "
                "the right"
            )
        return self

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if not (re.fullmatch(self._form, self._given) or re.fullmatch(self._arn, self._given)):
            what = f"neither a {self._name}'s name nor its ARN"
            raise ValueError(f"{type(self).__name__}: {self._given[:200]!r} is {what}")
        return self

    @property
    def _given(self) -> str:
        return str(getattr(self, self._name))

    @property
    def identity(self) -> str:
        """The stream that the cursor's sequence numbers are of, or the queue whose messages have landed."""
        return f"{self._name} {self._given}"

    @property
    def region(self) -> str | None:
        """The region of its ARN; None if it is the stack's."""
        return self._given.split(":")[3] if self._given.startswith("arn:") else None


class Kinesis(_Encrypted):
    """Records of a Kinesis data stream, each a JSON object or several, one a line.

    The cursor is the last sequence number of each shard. Records that a producer library packed into one are
    unpacked.
    """

    _name: ClassVar[str] = "stream"
    _form: ClassVar[str] = r"[A-Za-z0-9_.-]{1,128}"
    _arn: ClassVar[str] = _ARN.format("kinesis", f"stream/({_form})")
    kind: Literal["kinesis"] = "kinesis"
    """Tells this form from the others where it is stored."""
    stream: str
    """The stream's name, or its ARN if it is of another account or region."""
    start: Literal["TRIM_HORIZON", "LATEST"] | AwareDatetime = "TRIM_HORIZON"
    """The first run's beginning: all that the stream still has, what comes after the run's tick, or a time."""
    format: Literal["json"] = "json"
    """The form of the records."""
    skip: tuple[SequenceNumber, ...] = ()
    """Sequence numbers of records that can't be read and may be left out."""
    strays: Literal["refuse", "leave", "land"] = "refuse"
    """For rows that a producer packed into a record of another shard than theirs: the run fails; or they are left,
    since Amazon's producer library (KPL) does so after a resharding and sends them again; or they land, since other
    libraries do so always and send nothing again."""
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 200_000
    """Rows of a file, after which the cursor moves."""


class Sqs(_Encrypted):
    """Messages of an SQS queue, each a JSON object or several, one a line; deleted once they have landed.

    A message that SQS delivers again is known by its id, and lands once.
    """

    _name: ClassVar[str] = "queue"
    _form: ClassVar[str] = r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo"
    _arn: ClassVar[str] = _ARN.format("sqs", f"({_form})")
    kind: Literal["sqs"] = "sqs"
    """Tells this form from the others where it is stored."""
    queue: str
    """The queue's name, or its ARN if it is of another account or region."""
    format: Literal["json"] = "json"
    """The form of the bodies."""
    unwrap: Literal["sns", "eventbridge"] | None = None
    """The envelope that is taken off: the message of an SNS notification, or the detail of an EventBridge event. None:
    the body lands as it is."""
    invalid: Literal["refuse", "leave"] = "refuse"
    """For bodies that can't be read, which stay in the queue: the run lands all others and fails, or leaves them to the
    queue's own dead-letter queue, which it must have."""
    batch_rows: Annotated[int, Field(ge=1, le=MOST_MESSAGES)] = 50_000
    """Messages of a file, after which they are deleted from the queue."""
