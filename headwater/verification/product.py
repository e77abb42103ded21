"""The declarations of the verification's product: a source, a view that is also streamed, and a model."""

from __future__ import annotations

from headwater.declare import Examples, Feature, FeatureView, Gate, Holdout, Model, Source, category, number
from headwater.verification import MODEL, SOURCE, UNIT, VIEW

OWNER = "headwater verify"

ROWS = Source(
    name=SOURCE,
    description="What headwater verify uploads and takes away again.",
    contract=".contracts:ROWS",
    keys=(UNIT, "happened_at"),
    event_time="happened_at",
    # One bad row of a few is rejected, with its reason; the file isn't refused, which would set off an alarm.
    max_rejected=0.5,
)

LEVEL = FeatureView(
    name=VIEW,
    description="The last level of a unit.",
    owner=OWNER,
    entity=(UNIT,),
    sources=(SOURCE,),
    sql=f"SELECT {UNIT}, happened_at AS event_time, happened_at AS available_time, level FROM {SOURCE}",  # noqa: S608 - our own names
    features=(Feature(name="level", minimum=0, maximum=100),),
    # Values of a verification that was killed are gone by themselves soon.
    ttl="3h",
)

OUTCOME = Model(
    name=MODEL,
    description="Answers what is known already: 3 times the size plus 2 times the level plus 1.",
    owner=OWNER,
    task="regression",
    inputs=(category(UNIT), number("size", minimum=0, maximum=100)),
    features=LEVEL.all(),
    examples=Examples(
        sources=(SOURCE,),
        sql=f"SELECT {UNIT}, size, outcome, happened_at AS asked_at FROM {SOURCE} WHERE outcome IS NOT NULL",  # noqa: S608
        label="outcome",
    ),
    train=".train:fit",
    holdout=Holdout(share=0.25),
    gates=(Gate(metric="r2", at_least=0.99),),
    deterministic=True,
)
