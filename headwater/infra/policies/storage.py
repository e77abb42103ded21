"""Rules about what is kept: buckets, tables, keys, images."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.infra.policies.documents import is_for_anyone, listed, refuses_plain_text, statements
from headwater.infra.policies.graph import Graph, Resource
from headwater.infra.policies.rule import OURS, SOLUTIONS, rule

BUCKET = "aws:s3/bucket:Bucket"
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


@rule("S1", SOLUTIONS, BUCKET)
def access_logs(bucket: Resource, graph: Graph) -> Iterator[str]:
    """A bucket's accesses are logged to another bucket (`BucketLogging`)."""
    settings = graph.settings(bucket, "aws:s3/bucketLogging:BucketLogging", "bucket")
    if not any(setting.has("targetBucket") for setting in settings):
        yield "its accesses aren't logged: add a BucketLogging with a targetBucket"


@rule("S2", SOLUTIONS, BUCKET)
def public_access(bucket: Resource, graph: Graph) -> Iterator[str]:
    """A bucket blocks public ACLs and public policies, in all four ways (`BucketPublicAccessBlock`)."""
    settings = graph.settings(bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket")
    missing = [block for block in BLOCKS if not any(setting.get(block) is True for setting in settings)]
    if missing:
        yield f"the public isn't kept out: set {', '.join(missing)} of its BucketPublicAccessBlock"


@rule("S10", SOLUTIONS, BUCKET)
def bucket_tls(bucket: Resource, graph: Graph) -> Iterator[str]:
    """A bucket's policy refuses every request without TLS, to the bucket and to its objects."""
    for policy in graph.settings(bucket, "aws:s3/bucketPolicy:BucketPolicy", "bucket"):
        for statement in statements(policy, "policy"):
            named = set(map(str, listed(statement.get("Resource"))))
            everything = "*" in named or {bucket.get("arn"), f"{bucket.get('arn')}/*"} <= named
            if everything and refuses_plain_text(statement, "*", "s3:*"):
                return
    yield "it answers without TLS: deny s3:* on it and its objects where aws:SecureTransport is false"


@rule("BucketVersioning", OURS, BUCKET)
def versioning(bucket: Resource, graph: Graph) -> Iterator[str]:
    """A bucket keeps every version of its objects: what a model was made from can be read again."""
    settings = graph.settings(bucket, "aws:s3/bucketVersioning:BucketVersioning", "bucket")
    if not any(setting.get("versioningConfiguration", "status") == "Enabled" for setting in settings):
        yield "it forgets what is overwritten: add a BucketVersioning that is Enabled"


@rule("BucketEncryption", OURS, BUCKET)
def bucket_encryption(bucket: Resource, graph: Graph) -> Iterator[str]:
    """A bucket says how its objects are encrypted."""
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    path = ("rules", 0, "applyServerSideEncryptionByDefault", "sseAlgorithm")
    if not any(setting.has(*path) for setting in graph.settings(bucket, kind, "bucket")):
        yield "nothing says how it is encrypted: add a BucketServerSideEncryptionConfiguration"


@rule("DDB3", SOLUTIONS, "aws:dynamodb/table:Table")
def table_recovery(table: Resource, _: Graph) -> Iterator[str]:
    """A table can be brought back to any second of the last weeks (point-in-time recovery)."""
    if table.get("pointInTimeRecovery", "enabled") is not True:
        yield "it can't be brought back: enable pointInTimeRecovery"


@rule("KMS5", SOLUTIONS, "aws:kms/key:Key")
def key_rotation(key: Resource, _: Graph) -> Iterator[str]:
    """A symmetric key of KMS is rotated every year."""
    symmetric = key.get("customerMasterKeySpec", default="SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    if symmetric and key.get("enableKeyRotation") is not True:
        yield "it is never rotated: set enableKeyRotation"


@rule("ECR1", SOLUTIONS, "aws:ecr/repositoryPolicy:RepositoryPolicy", "aws:ecr/registryPolicy:RegistryPolicy")
def images_private(policy: Resource, _: Graph) -> Iterator[str]:
    """No policy opens an image repository, or the registry, to everybody."""
    if any(item.get("Effect") == "Allow" and is_for_anyone(item) for item in statements(policy, "policy")):
        yield "it allows everybody: name the principals"
