"""Sub-resources of buckets and objects that moto doesn't know, and would take for the bucket or the object itself.

A GET of ``?metrics`` lists the bucket's objects there, a PUT of ``?requestPayment`` makes the bucket once more.
"""

from __future__ import annotations

from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.refusals import unknown_operation

_LACKING = frozenset(
    {
        "abac",
        "analytics",
        "annotation",
        "annotations",
        "intelligent-tiering",
        "metadataAnnotationTable",
        "metadataConfiguration",
        "metadataInventoryTable",
        "metadataJournalTable",
        "metadataTable",
        "metrics",
        "renameObject",
        "requestPayment",
        "session",
        "torrent",
    }
)
_PAYER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<RequestPaymentConfiguration '
    'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Payer>BucketOwner</Payer></RequestPaymentConfiguration>'
)


def answer(call: ApiCall) -> Response | None:
    """The answer for a sub-resource that isn't there, or None to let moto answer."""
    if call.service == "s3express":
        return unknown_operation(call)
    if call.service != "s3":
        return None
    if "requestPayment" in call.request.args and call.request.method == "GET":
        return Response(_PAYER, 200, mimetype="application/xml")  # nobody can change it here
    return unknown_operation(call) if _LACKING & call.request.args.keys() else None
