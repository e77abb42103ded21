"""The Pulumi program of this project: which parts of the platform it deploys. It is yours to change.

`platform` holds what all parts stand on: the buckets and tables, the functions' code, the alarm topic. Each line below
is a part; those under "May be left out" go with their line. Settings, such as a VPC, a KMS key, a permissions boundary
or bucket names of yours, are set by `pulumi config set headwater:<setting>` (docs/reference/settings.md).
"""

from headwater import infra

config = infra.Config.load()
products = infra.check_products()  # pipelines/: names, contracts, queries and leaks, before anything is deployed
platform = infra.Platform(config, products)

# Where trainings, large ingestions and collectors that take hours run: Fargate.
network = infra.Network("network", platform)
images = infra.ImageRepository("training", platform)
containers = infra.Containers("containers", platform, network=network, images=images)

# The API that answers predictions.
serving = infra.Serving("serving", platform)

# Features go online: by a function, or shard by shard where that takes too long.
sharding = infra.Distribution("materialisation", platform)
features = infra.Materialisation("features-materialise", platform, machine=sharding.machine)
if platform.spark:
    infra.Spark("spark", platform, materialise=features.function)

# An upload becomes rows and features; a training becomes a version of a model.
ingestion = infra.Ingestion("ingestion", platform, materialise=features.function, containers=containers)
training = infra.Training("training", platform, containers=containers, serving=serving)

# May be left out.
infra.AlarmManager("alarm-manager", platform, serving=serving)  # e-mails, webhooks, and who is at it
collectors = infra.Collectors("collectors", platform, containers=containers)  # rows from databases, addresses, buckets
infra.Schedules("retraining", platform, machine=training.machine, collecting=collectors.machine)  # when both run
infra.Streaming("features-stream", platform, serving=serving)  # rows by HTTP instead of files
infra.FeatureParity("features-parity", platform)  # do online values equal offline ones?
infra.FeatureSkew("features-skew", platform)  # do requests look like the training data?
infra.Monitoring("monitoring", platform, serving=serving)  # watches models
infra.Lineage("lineage", platform, serving=serving)  # what was made from what
if config.state_bucket:
    infra.InfrastructureHistory("infrastructure-history", platform, state_bucket=config.state_bucket)

# What `headwater` and the Python client read.
infra.describe(
    platform,
    ingestion=ingestion,
    training=training,
    serving=serving,
    containers=containers,
    sharding=sharding,
    collecting=collectors.machine,
)
