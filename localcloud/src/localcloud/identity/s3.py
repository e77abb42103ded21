"""What an S3 call needs: S3 has no operation names on the wire, only methods, paths and query strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from moto.s3.models import FakeDeleteMarker, s3_backends

from localcloud.api_call import ApiCall
from localcloud.identity.policy import CannotJudge
from localcloud.identity.types import RequiredAction

_BUCKET_GETS = {
    "versions": "ListBucketVersions",
    "uploads": "ListBucketMultipartUploads",
    "location": "GetBucketLocation",
    "versioning": "GetBucketVersioning",
    "policy": "GetBucketPolicy",
    "tagging": "GetBucketTagging",
    "encryption": "GetEncryptionConfiguration",
    "lifecycle": "GetLifecycleConfiguration",
    "notification": "GetBucketNotification",
}
_OBJECT_PARTS = ("tagging", "retention", "legal-hold", "acl")  # the query string names what of an object is meant


def address(call: ApiCall) -> tuple[str, str]:
    """Bucket and key of a path-style address; the local cloud's clients use no other, because it has no domain."""
    bucket, _, key = call.request.path.lstrip("/").partition("/")
    return bucket, key


def required_actions(call: ApiCall) -> Sequence[RequiredAction]:
    """The actions that one call requires."""
    bucket, key = address(call)
    if not bucket:
        return [RequiredAction("s3:ListAllMyBuckets", "*")]
    return _of_object(call, f"arn:aws:s3:::{bucket}/{key}") if key else _of_bucket(call, bucket)


def _of_object(call: ApiCall, arn: str) -> Sequence[RequiredAction]:
    method, query = call.request.method, call.request.args
    version = "Version" if query.get("versionId") else ""
    part = next((name for name in _OBJECT_PARTS if name in query), "")
    if part:
        verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}.get(method)
        if verb is None:
            raise CannotJudge(f"s3: {method} ?{part}")
        return [
            RequiredAction(f"s3:{verb}Object{version}" + {"legal-hold": "LegalHold"}.get(part, part.capitalize()), arn)
        ]
    if method in ("GET", "HEAD"):
        if "uploadId" in query:
            return [RequiredAction("s3:ListMultipartUploadParts", arn)]
        attributes = [RequiredAction(f"s3:GetObject{version}Attributes", arn)] if "attributes" in query else []
        return [RequiredAction(f"s3:GetObject{version}", arn), *attributes]
    if method == "DELETE":
        return [RequiredAction("s3:AbortMultipartUpload" if "uploadId" in query else f"s3:DeleteObject{version}", arn)]
    if method == "PUT" or "uploads" in query or "uploadId" in query:
        return [RequiredAction("s3:PutObject", arn, _put_context(call)), *_tagged(call, arn), *_copied(call)]
    raise CannotJudge(f"s3: {method} {call.request.full_path}")


def _put_context(call: ApiCall) -> dict[str, list[str]]:
    headers = call.request.headers
    names = ("x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-acl", "if-none-match", "if-match")
    return {f"s3:{name}": [headers[name]] for name in names if name in headers}


def _tagged(call: ApiCall, arn: str) -> list[RequiredAction]:
    return [RequiredAction("s3:PutObjectTagging", arn)] if "x-amz-tagging" in call.request.headers else []


def _copied(call: ApiCall) -> list[RequiredAction]:
    if not (source := call.request.headers.get("x-amz-copy-source")):
        return []
    path, _, version = unquote(source).lstrip("/").partition("?versionId=")
    return [RequiredAction("s3:GetObjectVersion" if version else "s3:GetObject", f"arn:aws:s3:::{path}")]


def _of_bucket(call: ApiCall, bucket: str) -> Sequence[RequiredAction]:
    method, query, arn = call.request.method, call.request.args, f"arn:aws:s3:::{bucket}"
    if method in ("GET", "HEAD"):
        action = next((_BUCKET_GETS[name] for name in _BUCKET_GETS if name in query), "ListBucket")
        unknown = {name for name, value in query.items() if not value and name not in _BUCKET_GETS and name.islower()}
        if action == "ListBucket" and unknown - {"prefix", "delimiter", "marker"}:
            raise CannotJudge(f"s3: GET ?{min(unknown)}")
        # A listing without a prefix is a listing of everything: the key is there, and empty.
        context = {"s3:prefix": [query.get("prefix", "")]} if action.startswith("List") else {}
        context |= {f"s3:{name}": [query[name]] for name in ("delimiter", "max-keys") if name in query}
        return [RequiredAction(f"s3:{action}", arn, context)]
    if method == "POST" and "delete" in query:
        return [_deletion(bucket, entry) for entry in _entries(call.request.get_data(cache=True))]
    raise CannotJudge(f"s3: {method} {call.request.full_path}")


def _entries(body: bytes) -> list[dict[str, str]]:
    root = ElementTree.fromstring(body)  # noqa: S314 - from a process that we started
    return [
        {child.tag.rpartition("}")[2]: child.text or "" for child in entry}
        for entry in root
        if entry.tag.rpartition("}")[2] == "Object"
    ]


def _deletion(bucket: str, entry: dict[str, str]) -> RequiredAction:
    action = "s3:DeleteObjectVersion" if entry.get("VersionId") else "s3:DeleteObject"
    return RequiredAction(action, f"arn:aws:s3:::{bucket}/{entry['Key']}")


def hides(call: ApiCall, account: str) -> RequiredAction | None:
    """What the caller must be allowed to learn that an object isn't there: without it S3 answers 403 instead of 404."""
    bucket, key = address(call)
    if call.request.method not in ("GET", "HEAD") or not key or call.request.args.get("uploadId"):
        return None
    found: Any = s3_backends[account]["aws"].buckets.get(bucket)
    if found is None or not isinstance(found.keys.get(key), FakeDeleteMarker | None):
        return None
    return RequiredAction("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": [key]})
