"""Objects that were uploaded in parts: their composite checksum in HEAD, and one part of them in GET.

Moto's HEAD leaves the number of parts out of the checksum, and its GET answers a part number with the whole object.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

from typing import Any

from moto.s3.responses import S3Response

from localcloud.moto_patches.patches import Patches


def apply(patches: Patches) -> None:
    """Let moto's S3 know parts."""
    head, get = S3Response.head_object, S3Response.get_object

    def head_object(self: Any, bucket_name: str, query: dict[str, Any], key_name: str, headers: Any) -> Any:
        status, answered, body = head(self, bucket_name, query, key_name, headers)
        name = next((name for name in answered if name.startswith("x-amz-checksum-") and name[15:] in _SUMS), None)
        if status == 200 and name is not None:
            key = self.backend.head_object(bucket_name, key_name, version_id=query.get("versionId", [None])[0])
            if key.checksum_type == "COMPOSITE":
                answered[name] = f"{key.checksum_value}-{key.checksum_parts}"
                answered["x-amz-checksum-type"] = "COMPOSITE"
        return status, answered, body

    def get_object(self: Any) -> Any:
        status, answered, body = get(self)
        number = self._get_int_param("partNumber")
        if status != 200 or not number:
            return status, answered, body
        key, _ = self._get_key()
        if key.multipart is None:
            return status, answered, body
        sizes = [key.multipart.parts[part].contentsize for part in key.multipart.partlist]
        start = sum(sizes[: number - 1])
        part = key.value[start : start + sizes[number - 1]]
        for name in [name for name in answered if name.startswith("x-amz-checksum-")]:
            del answered[name]  # of the whole object
        answered["content-length"] = str(len(part))
        answered["content-range"] = f"bytes {start}-{start + len(part) - 1}/{key.size}"
        answered["x-amz-mp-parts-count"] = str(len(sizes))
        return 206, answered, part

    patches.set(S3Response, "head_object", head_object)
    patches.set(S3Response, "get_object", get_object)


_SUMS = frozenset({"crc32", "crc32c", "crc64nvme", "sha1", "sha256"})
